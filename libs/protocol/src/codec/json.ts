import { ProtocolError } from '../errors.js';

/** A frame of a client, decoded and not yet validated. */
export type Frame = Record<string, unknown>;
/** A frame of a server; an array is an offline batch. */
export type ServerFrame = Frame | Frame[];

/**
 * Maximum nesting of a frame. `JSON.stringify` overflows the stack near 10,000 levels; PostgreSQL refuses before
 * 20,000.
 */
export const MAX_DEPTH = 16;

/**
 * A complete frame whose content must not be stored or relayed. Its end is known, so the connection can continue. Use
 * `frame` only to identify the refused frame in the answer.
 */
export class RefusedContentError extends ProtocolError {
  constructor(
    readonly frame: Frame,
    { error, message }: ProtocolError,
  ) {
    super(error, message);
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Parses a JSON object that is safe to store, relay and compare.
 * @throws ProtocolError `badFrame` (not UTF-8, not JSON, not an object)
 * @throws RefusedContentError `tooDeep`, `badText`, `badField`
 */
export function parseObject(bytes: Uint8Array): Frame {
  const frame = jsonIn(bytes);
  if (!isObject(frame)) throw new ProtocolError('badFrame', 'a frame is a JSON object');
  try {
    inspect(frame, 1);
  } catch (error) {
    throw error instanceof ProtocolError ? new RefusedContentError(frame, error) : error;
  }
  return frame;
}

/**
 * Parses an object or array of objects from a server, which has already checked depth and texts.
 * @throws ProtocolError `badFrame`
 */
export const parseServerFrame = (bytes: Uint8Array): ServerFrame => serverFrame(jsonIn(bytes));

/** Like {@link parseServerFrame}, for a transport that carries text. @throws ProtocolError `badFrame` */
export const parseServerText = (text: string): ServerFrame => serverFrame(jsonIn(text));

function serverFrame(frame: unknown): ServerFrame {
  if (isObject(frame) || (Array.isArray(frame) && frame.every(isObject))) return frame;
  throw new ProtocolError('badFrame', 'a frame of a server is a JSON object or an array of them');
}

function jsonIn(source: Uint8Array | string): unknown {
  try {
    return JSON.parse(typeof source === 'string' ? source : utf8.decode(source));
  } catch {
    // The parser's message would quote the bytes, and bodies must not reach a log.
    throw new ProtocolError('badFrame', 'not UTF-8 JSON');
  }
}

const isObject = (value: unknown): value is Frame =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function inspect(value: unknown, depth: number): void {
  switch (typeof value) {
    case 'string':
      return inspectText(value);
    case 'number':
      // Integers above 2^53 have already lost digits; above 1e308 the value is Infinity and would be stored as null.
      if (Number.isFinite(value) && Math.abs(value) <= Number.MAX_SAFE_INTEGER) return;
      throw new ProtocolError('badField', 'a number is too large: send it as a string');
    case 'object':
      if (value !== null) inspectObject(value, depth);
  }
}

function inspectObject(value: object, depth: number): void {
  if (depth > MAX_DEPTH) throw new ProtocolError('tooDeep', `nested deeper than ${MAX_DEPTH} levels`);
  if (Array.isArray(value)) {
    for (const item of value) inspect(item, depth + 1);
    return;
  }
  for (const key of Object.keys(value)) {
    if (key === '__proto__') throw new ProtocolError('badField', 'a field is named __proto__');
    inspectText(key);
    inspect((value as Record<string, unknown>)[key], depth + 1);
  }
}

function inspectText(text: string): void {
  if (text.includes('\u0000')) throw new ProtocolError('badText', 'a string holds NUL');
  if (!text.isWellFormed()) throw new ProtocolError('badText', 'a string holds half of a surrogate pair');
}
