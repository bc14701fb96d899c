const COMPACT = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/**
 * By length modulo 4 of a part: the last characters that leave no unused bit set. A part of 4n + 1 characters is none.
 */
const LAST: readonly (RegExp | undefined)[] = [/[\w-]$/, undefined, /[AQgw]$/, /[AEIMQUYcgkosw048]$/];

/**
 * Whether a text is a compact JWS as RFC 7515 writes it: three parts in base64url without padding, each in its only
 * form. Decoders accept other texts for the same bytes; then one token would have many texts.
 */
export const isCompactJws = (text: string): boolean =>
  COMPACT.test(text) && text.split('.').every((part) => LAST[part.length % 4]?.test(part.slice(-1)));
