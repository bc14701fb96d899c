/**
 * What a client needs of the protocol, and nothing that a browser lacks: no hashing, no bus, no schemas (those that are
 * types here are erased). Servers import the whole, {@link file://./index.ts}.
 */
export * from './closes.js';
export { MAX_DEPTH, parseObject, RefusedContentError } from './codec/json.js';
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
