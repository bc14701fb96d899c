import { isBase64OfJson } from './base64-lines.js';

/** How a connection speaks: decided by its first bytes, once and for all. */
export type Mode = 'jsonLines' | 'base64Lines' | 'hz' | 'http';

/** Each is answered by HTTP, whatever comes of it. `PRI` is how HTTP/2 begins. */
const HTTP_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH', 'PRI'] as const;

/** What a connection may begin with. The guide's heartbeat comes too soon there, but says how its client reads the refusal. */
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
 * The mode of a connection that begins with these bytes. `undecided`: they may yet become one, which takes at most eight bytes.
 * Undefined: they are nothing that is spoken here.
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
