import { ProtocolError } from '../errors.js';

/** Deepest nesting of a frame; `JSON.stringify` overflows the stack near 10,000, PostgreSQL refuses before 20,000. */
export const MAX_DEPTH = 16;

/**
 * A whole frame whose content must not be stored or relayed. Where it ends is known, so the connection can go on; `frame` is
 * for saying what was refused, never for anything else.
 */
export class RefusedContentError extends ProtocolError {
  constructor(
    readonly frame: Record<string, unknown>,
    { error, message }: ProtocolError,
  ) {
    super(error, message);
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * The JSON object in these bytes, safe to store, relay and compare.
 * @throws ProtocolError `badFrame` (not UTF-8, not JSON, not an object)
 * @throws RefusedContentError `tooDeep`, `badText`, `badField`
 */
export function parseObject(bytes: Uint8Array): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(utf8.decode(bytes));
  } catch {
    // The parser's own message would quote the bytes, and nothing of a body may reach a log.
    throw new ProtocolError('badFrame', 'not a line of UTF-8 JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ProtocolError('badFrame', 'a frame is a JSON object');
  }
  const frame = value as Record<string, unknown>;
  try {
    inspect(frame, 1);
  } catch (error) {
    throw error instanceof ProtocolError ? new RefusedContentError(frame, error) : error;
  }
  return frame;
}

function inspect(value: unknown, depth: number): void {
  switch (typeof value) {
    case 'string':
      return inspectText(value);
    case 'number':
      // Beyond 2^53 digits were already lost, beyond 1e308 it is Infinity and would be stored as null.
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
