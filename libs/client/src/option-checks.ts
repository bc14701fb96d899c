import type { Address } from './address.js';
import {
  checkDuration,
  checkFunction,
  checkId,
  checkInteger,
  checkObject,
  checkString,
  fail,
  MAX_TIMER_MS,
} from './checks.js';
import type { Bounds, ClientOptions, Timings } from './options.js';

const MODES = ['lines', 'frames', 'websocket'];
const STORE_METHODS = ['saveMessages', 'saveCursor', 'generation', 'reset'];
const UNSETTLED_METHODS = ['list', 'keep', 'settled'];
const MAX_DEVICE_TYPE = 32;
const MAX_VERSION_CODE = 1_000_000;

/** One check per duration; it defines the valid values. */
const timingChecks: Record<keyof Timings, (what: string, value: unknown) => void> = {
  connectMs: checkDuration,
  loginMs: checkDuration,
  reconnect: checkRange,
  stableMs: atLeastZero,
  answerMs: checkDuration,
  resend: checkRange,
  deadlineMs: checkDeadline,
  receiptMs: atLeastZero,
  confirmMs: checkDuration,
  historyMs: checkDuration,
  heartbeatMs: checkDuration,
};

const boundNames: Record<keyof Bounds, true> = { outbox: true, inbox: true, requests: true };

/** @throws TypeError that names the option */
export function checkOptions(options: ClientOptions): void {
  checkObject('the options', options);
  const { address, user, deviceID, deviceType, versionCode, token, store, transport, observer, wire } = options;
  if (typeof address !== 'string') checkAddress(address);
  checkId('user', user);
  checkId('deviceID', deviceID);
  if (deviceType !== undefined) checkDeviceType(deviceType);
  if (versionCode !== undefined) checkInteger('versionCode', versionCode, 0, MAX_VERSION_CODE);
  if (typeof token !== 'function' && typeof token !== 'string') fail('token', 'a string or a function', token);
  if (store !== undefined) checkStore(store);
  for (const [name, value] of Object.entries({ transport, observer, wire })) {
    if (value !== undefined) checkFunction(name, value);
  }
  checkTimings(options.timings);
  checkBounds(options.bounds);
}

function checkAddress(address: Address): void {
  if (typeof address !== 'object' || address === null) fail('address', 'a URL or an object', address);
  const { host, port, mode, tls, path, ca, rejectUnauthorized } = address;
  checkId('address.host', host);
  checkInteger('address.port', port, 1, 65_535);
  if (mode !== undefined && !MODES.includes(mode)) fail('address.mode', `one of ${MODES.join(', ')}`, mode);
  for (const [name, value] of Object.entries({ path, ca })) {
    if (value !== undefined) checkString(`address.${name}`, value);
  }
  for (const [name, value] of Object.entries({ tls, rejectUnauthorized })) {
    if (value !== undefined && typeof value !== 'boolean') fail(`address.${name}`, 'true or false', value);
  }
}

function checkDeviceType(value: string): void {
  checkString('deviceType', value);
  if (value.length > MAX_DEVICE_TYPE) fail('deviceType', `at most ${MAX_DEVICE_TYPE} characters long`, value);
}

function checkStore(store: NonNullable<ClientOptions['store']>): void {
  checkObject('store', store);
  const { unsettled } = store;
  for (const name of STORE_METHODS) checkFunction(`store.${name}`, store[name]);
  if (unsettled === undefined) return;
  checkObject('store.unsettled', unsettled);
  for (const name of UNSETTLED_METHODS) checkFunction(`store.unsettled.${name}`, (unsettled as Methods)[name]);
}

type Methods = Record<string, unknown>;

function checkTimings(timings: ClientOptions['timings']): void {
  if (timings === undefined) return;
  checkObject('timings', timings);
  for (const [name, value] of Object.entries(timings)) {
    if (!Object.hasOwn(timingChecks, name)) throw new TypeError(`timings.${name} is not a timing`);
    if (value !== undefined) timingChecks[name as keyof Timings](`timings.${name}`, value);
  }
}

function checkBounds(bounds: ClientOptions['bounds']): void {
  if (bounds === undefined) return;
  checkObject('bounds', bounds);
  for (const [name, value] of Object.entries(bounds)) {
    if (!Object.hasOwn(boundNames, name)) throw new TypeError(`bounds.${name} is not a bound`);
    if (value !== undefined) checkInteger(`bounds.${name}`, value, 1);
  }
}

function checkRange(what: string, value: unknown): void {
  checkObject(what, value);
  atLeastZero(`${what}.baseMs`, value.baseMs);
  atLeastZero(`${what}.maxMs`, value.maxMs);
}

function atLeastZero(what: string, value: unknown): void {
  checkDuration(what, value, 0);
}

/** May exceed {@link MAX_TIMER_MS}, because no timer waits for it. */
function checkDeadline(what: string, value: unknown): void {
  if (typeof value !== 'number' || !(value >= 0)) fail(what, 'a number of milliseconds, 0 for none', value);
}

/** Checks the timeout of `connect()`; Infinity waits without a limit. */
export function checkTimeout(what: string, value: unknown): void {
  if (value === Infinity) return;
  if (typeof value !== 'number' || !(value > 0 && value <= MAX_TIMER_MS)) {
    fail(what, `a number of milliseconds from 1 to ${MAX_TIMER_MS}, or Infinity`, value);
  }
}
