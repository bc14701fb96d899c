const COMPACT = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/** Valid last characters by length of a part modulo 4: those without unused bits set. A length of 4n + 1 is invalid. */
const LAST: readonly (RegExp | undefined)[] = [/[\w-]$/, undefined, /[AQgw]$/, /[AEIMQUYcgkosw048]$/];

/**
 * Whether a text is a compact JWS as defined by RFC 7515: three parts in canonical base64url without padding. Decoders
 * also accept other texts for the same bytes, which would give one token many texts.
 */
export const isCompactJws = (text: string): boolean =>
  COMPACT.test(text) && text.split('.').every((part) => LAST[part.length % 4]?.test(part.slice(-1)));
