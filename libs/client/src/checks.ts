/**
 * Checks of arguments, because plain JavaScript does not enforce types. Each throws a TypeError that names the
 * argument. Rules that only the server knows (whether an id exists, how long a name may be) are left to the server.
 */

/** Longest delay of a JavaScript timer in milliseconds; a longer one fires at once. */
export const MAX_TIMER_MS = 2_147_483_647;
/** Pattern of the protocol. An answer to any other client id could not be matched with its message. */
const CLIENT_ID = /^[\x21-\x7e]{1,64}$/;
const CONTROL_CHARACTERS = /[\u0000-\u001f\u007f-\u009f]/;

export function fail(what: string, must: string, value: unknown): never {
  throw new TypeError(`${what} must be ${must}, not ${describe(value)}`);
}

export function checkObject(what: string, value: unknown): asserts value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) fail(what, 'an object', value);
}

export function checkString(what: string, value: unknown): asserts value is string {
  if (typeof value !== 'string') fail(what, 'a string', value);
}

export function checkFunction(what: string, value: unknown): void {
  if (typeof value !== 'function') fail(what, 'a function', value);
}

/** Checks the id of a user, device or group; the server knows the exact rule. */
export function checkId(what: string, value: unknown): void {
  if (typeof value !== 'string' || value === '' || CONTROL_CHARACTERS.test(value)) {
    fail(what, 'a string that is not empty and has no control characters', value);
  }
}

export function checkClientId(value: unknown): void {
  if (typeof value !== 'string' || !CLIENT_ID.test(value)) {
    fail('clientMsgID', 'a string of 1 to 64 visible ASCII characters', value);
  }
}

export function checkInteger(what: string, value: unknown, min: number, max = Number.MAX_SAFE_INTEGER): void {
  if (!Number.isInteger(value) || (value as number) < min || (value as number) > max) {
    fail(what, `a whole number from ${min} to ${max}`, value);
  }
}

/** Checks a number of milliseconds that a timer supports. */
export function checkDuration(what: string, value: unknown, min = 1): void {
  if (typeof value !== 'number' || !(value >= min && value <= MAX_TIMER_MS)) {
    fail(what, `a number of milliseconds from ${min} to ${MAX_TIMER_MS}`, value);
  }
}

export function checkIds(what: string, value: unknown): void {
  if (!Array.isArray(value)) fail(what, 'an array of ids', value);
  for (const [index, id] of value.entries()) checkId(`${what}[${index}]`, id);
}

export function checkTarget(target: unknown): void {
  checkObject('the target', target);
  if ('user' in target === 'group' in target) fail('the target', '{ user } or { group }', target);
  if ('user' in target) checkId('target.user', target.user);
  else checkId('target.group', target.group);
}

/** Short description of a value for an error. It omits the text of strings, because a string may be a token. */
export function describe(value: unknown): string {
  if (value === null || value === undefined || typeof value === 'number' || typeof value === 'boolean') {
    return String(value);
  }
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'string') return value === '' ? 'an empty string' : `a string of ${value.length} characters`;
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
