import {
  closeTable,
  errorTable,
  type CloseName,
  type ErrorName,
  mayReconnect,
  type LoginReceipt,
} from '@huizhi/protocol';

/** Errors, closes and receipts become frames only in this file. */

/**
 * The fields that tell a client which of its frames this one answers, as the tail of a JSON object:
 * `,"clientMsgID":"…","sendTime":"…"`, or empty.
 */
export type Echo = string;

export const echoOf = (fields: { clientMsgID?: unknown; sendTime?: unknown; requestID?: unknown }): Echo =>
  tail('clientMsgID', fields.clientMsgID) + tail('sendTime', fields.sendTime) + tail('requestID', fields.requestID);

function tail(name: string, value: unknown): string {
  // An invalid number, for example a fraction, is echoed too: the client may have no other way to match the frame.
  if (typeof value === 'number' && Math.abs(value) <= Number.MAX_SAFE_INTEGER) return `,"${name}":"${value}"`;
  return typeof value === 'string' && value.length <= 128 ? `,"${name}":${JSON.stringify(value)}` : '';
}

export function errorFrame(error: ErrorName, reason: string, about: Echo = ''): string {
  const { code, temporary } = errorTable[error];
  return `{"messageType":"error","code":${code},"name":"${error}","temporary":${temporary},"reason":${JSON.stringify(reason)}${about}}`;
}

export function invalidReceipt(error: ErrorName, reason: string, about: Echo): string {
  const { code } = errorTable[error];
  return `{"messageType":"invalidReceipt","code":${code},"name":"${error}","reason":${JSON.stringify(reason)}${about}}`;
}

/** The answer to a send that was not stored: `error` if the refusal is temporary, else `invalidReceipt`. */
export const refusal = (error: ErrorName, reason: string, about: Echo): string =>
  errorTable[error].temporary ? errorFrame(error, reason, about) : invalidReceipt(error, reason, about);

/**
 * Reconnect delay range in ms per close reason; a random value in it spreads reconnects. A drain already spreads its
 * closes; after `rateLimited` the delay exceeds the second in which the rate recovers.
 */
const RETRY_AFTER: Partial<Record<CloseName, readonly [from: number, to: number]>> = {
  drain: [0, 500],
  rateLimited: [1_000, 3_000],
};

export function closeFrame(name: CloseName, reason: string = closeTable[name].meaning): string {
  const { code } = closeTable[name];
  const [from, to] = RETRY_AFTER[name] ?? [];
  const retry =
    from === undefined || to === undefined ? '' : `,"retryAfter":${Math.floor(from + Math.random() * (to - from))}`;
  return `{"messageType":"close","code":${code},"name":"${name}","reconnect":${mayReconnect(code)},"reason":${JSON.stringify(reason)}${retry}}`;
}

export function loginRefused(error: ErrorName, reason: string, more: Partial<LoginReceipt> = {}): string {
  const receipt: LoginReceipt = {
    messageType: 'loginReceipt',
    code: errorTable[error].code,
    name: error,
    reason,
    ...more,
  };
  return JSON.stringify(receipt);
}

export const receiptConfirm = (inboxSeq: number): string => `{"messageType":"receiptConfirm","inboxSeq":${inboxSeq}}`;
