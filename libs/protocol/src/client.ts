/**
 * The part of the protocol that clients need. It runs in browsers: no hashing, no bus, and schemas as types only.
 * Servers import all of it, {@link file://./index.ts}.
 */
export * from './closes.js';
export { canonicalJson } from './codec/canonical.js';
export { fromServer, MAX_SERVER_FRAME_BYTES, type Decoder } from './codec/decoder.js';
export { encodeHzFrame, HzDecoder } from './codec/hz.js';
export { encodeJsonLine, JsonLinesDecoder } from './codec/json-lines.js';
export { MAX_DEPTH, parseObject, parseServerText, RefusedContentError, type ServerFrame } from './codec/json.js';
export type {
  BeatReply,
  CloseFrame,
  Delivery,
  Down,
  ErrorFrame,
  HistoryReceipt,
  InvalidReceipt,
  LoginReceipt,
  NormalReceipt,
  ReceiptConfirm,
} from './down.js';
export * from './errors.js';
export type { Receipt } from './up/receipt.js';
export * from './version.js';
