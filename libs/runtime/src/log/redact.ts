/** Keys whose values are never logged: message content and credentials must not reach a log, at any depth. */
const SECRET_KEY =
  /^(.*token|.*password|.*secret|.*credential|authorization|cookie|content|text|body|frame|payload|parameters|api_?key|private_?key)s?$/i;
const CREDENTIALS_IN_URL = /(\w+:\/\/[^\s:/@]*:)[^\s@/]+@/g;

/** JSON.parse quotes its input in the error: `Unexpected token 'x', "…" is not valid JSON`. */
const QUOTED = /["'][^]*["']/;

const MAX_DEPTH = 6;
const MAX_ITEMS = 50;
const MAX_TEXT = 2_000;

/**
 * A copy of `value` that may be logged: secrets replaced, bytes reduced to their length, long text cut, at most {@link
 * MAX_DEPTH} levels of {@link MAX_ITEMS} items each. Errors keep only name, code, message, stack and cause: a database
 * error carries the parameters of its statement, which may be message content.
 */
export function loggable(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return text(value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'function' || typeof value === 'symbol') return undefined;
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Uint8Array || value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`;
  if (value instanceof Date) return value;
  if (depth >= MAX_DEPTH) return '[deeper]';
  if (value instanceof Error) return errorFields(value, depth);
  if (Array.isArray(value)) return value.slice(0, MAX_ITEMS).map((item) => loggable(item, depth + 1));
  if (value instanceof Map || value instanceof Set) return loggable([...value].slice(0, MAX_ITEMS), depth);

  const copy: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value).slice(0, MAX_ITEMS)) {
    copy[key] = SECRET_KEY.test(key) ? '[redacted]' : loggable(item, depth + 1);
  }
  return copy;
}

function errorFields(error: Error, depth: number): Record<string, unknown> {
  const code = (error as { code?: unknown }).code;
  const message = error.name === 'SyntaxError' ? error.message.replace(QUOTED, '…') : error.message;
  return {
    name: error.name,
    ...(typeof code === 'string' || typeof code === 'number' ? { code } : {}),
    message: text(message),
    stack: text((error.stack ?? '').replace(error.message, () => message)),
    ...(error.cause === undefined ? {} : { cause: loggable(error.cause, depth + 1) }),
  };
}

function text(value: string): string {
  const cut = value.length > MAX_TEXT ? `${value.slice(0, MAX_TEXT)}…` : value;
  return cut.includes('://') ? cut.replace(CREDENTIALS_IN_URL, '$1***@') : cut;
}
