import { isBase64OfJson } from './base64-lines.js';

/** Encoding of a connection. Its first bytes select it, and it never changes. */
export type Mode = 'jsonLines' | 'base64Lines' | 'hz' | 'http';

/** HTTP answers each of these methods, including errors. `PRI` begins HTTP/2. */
const HTTP_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH', 'PRI'] as const;

/**
 * First bytes of each mode. A version 1 heartbeat before the login is refused, but selects base64 lines, so that its
 * client can read the refusal.
 */
const BEGINNINGS: readonly (readonly [beginning: string, mode: Mode])[] = [
  ['{', 'jsonLines'],
  ['HZ', 'hz'],
  ...HTTP_METHODS.map((method) => [`${method} `, 'http'] as const),
  ['beatID', 'base64Lines'],
  // "beatID" in base64.
  ['YmVhdElE', 'base64Lines'],
];
const LOWER_E = 0x65;

/**
 * Mode of a connection that begins with these bytes. `undecided`: more bytes are needed, at most eight in total.
 * Undefined: the bytes begin no known mode.
 */
export function modeOf(bytes: Uint8Array): Mode | 'undecided' | undefined {
  if (bytes.length === 0) return 'undecided';
  if (bytes[0] === LOWER_E) {
    if (bytes.length === 1) return 'undecided';
    return isBase64OfJson(bytes[0], bytes[1]) ? 'base64Lines' : undefined;
  }
  for (const [beginning, mode] of BEGINNINGS) {
    const length = Math.min(bytes.length, beginning.length);
    if (!agrees(bytes, beginning, length)) continue;
    return length === beginning.length ? mode : 'undecided';
  }
  return undefined;
}

function agrees(bytes: Uint8Array, beginning: string, length: number): boolean {
  for (let i = 0; i < length; i++) if (bytes[i] !== beginning.charCodeAt(i)) return false;
  return true;
}
