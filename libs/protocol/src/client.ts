/**
 * What a client needs of the protocol, and nothing that a browser lacks: no hashing, no bus, no schemas (those that are
 * types here are erased). Servers import the whole, {@link file://./index.ts}.
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
