const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const PAD = 0x3d;
const CODES = Uint8Array.from(ALPHABET, (character) => character.charCodeAt(0));
const VALUES = new Int8Array(256).fill(-1);
for (const [value, code] of CODES.entries()) VALUES[code] = value;

/** Characters that so many bytes take, padding included. */
export const base64Length = (bytes: number): number => 4 * Math.ceil(bytes / 3);

/** The bytes of standard base64, with or without padding; undefined when it is anything else. */
export function decodeBase64(text: Uint8Array): Uint8Array | undefined {
  const length = lengthWithoutPadding(text);
  if (length === undefined || length % 4 === 1) return undefined;
  const bytes = new Uint8Array((length * 3) >> 2);
  let bits = 0;
  let group = 0;
  let at = 0;
  for (let i = 0; i < length; i++) {
    const value = VALUES[text[i] as number] as number;
    if (value < 0) return undefined;
    group = ((group << 6) | value) & 0xffff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes[at++] = group >> bits;
  }
  return bytes;
}

/** Padding there is must be what is missing to a multiple of four. */
function lengthWithoutPadding(text: Uint8Array): number | undefined {
  let length = text.length;
  while (length > 0 && text[length - 1] === PAD) length--;
  const padding = text.length - length;
  return padding === 0 || (padding <= 2 && text.length % 4 === 0) ? length : undefined;
}

/** Standard base64 with padding, as bytes of ASCII, in a buffer that has `spare` bytes left at its end. */
export function encodeBase64(bytes: Uint8Array, spare = 0): Uint8Array {
  const text = new Uint8Array(base64Length(bytes.length) + spare).fill(PAD, 0, base64Length(bytes.length));
  let at = 0;
  for (let i = 0; i < bytes.length; i += 3) {
    const a = bytes[i] as number;
    const b = bytes[i + 1];
    const c = bytes[i + 2];
    text[at] = CODES[a >> 2] as number;
    text[at + 1] = CODES[((a & 3) << 4) | ((b ?? 0) >> 4)] as number;
    if (b !== undefined) text[at + 2] = CODES[((b & 15) << 2) | ((c ?? 0) >> 6)] as number;
    if (c !== undefined) text[at + 3] = CODES[c & 63] as number;
    at += 4;
  }
  return text;
}
