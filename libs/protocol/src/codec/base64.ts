const PAD = 0x3d;
/** Characters of base64url, which Node's decoder would accept. */
const MINUS = 0x2d;
const UNDERSCORE = 0x5f;

/** Number of base64 characters for `bytes` bytes, padding included. */
export const base64Length = (bytes: number): number => 4 * Math.ceil(bytes / 3);

/** Decodes standard base64, with or without padding; undefined if the text is anything else. */
export function decodeBase64(text: Uint8Array): Uint8Array | undefined {
  const length = lengthWithoutPadding(text);
  if (length === undefined || length % 4 === 1 || text.includes(MINUS) || text.includes(UNDERSCORE)) return undefined;
  const ascii = Buffer.from(text.buffer, text.byteOffset, length).toString('latin1');
  const bytes = Buffer.from(ascii, 'base64');
  // Node skips invalid characters, so the result is too short if there are any.
  return bytes.length === (length * 3) >> 2 ? bytes : undefined;
}

/** Length without padding; undefined if there is padding that does not complete a multiple of four. */
function lengthWithoutPadding(text: Uint8Array): number | undefined {
  let length = text.length;
  while (length > 0 && text[length - 1] === PAD) length--;
  const padding = text.length - length;
  return padding === 0 || (padding <= 2 && text.length % 4 === 0) ? length : undefined;
}

/** Standard base64 with padding. */
export const encodeBase64 = (text: string): string => Buffer.from(text).toString('base64');
