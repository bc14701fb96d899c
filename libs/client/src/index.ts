export type { BackoffRange } from './backoff.js';
export { HistoryChecker, type Verdict } from './checker/checker.js';
export { logLine, logObserver, parseLogLine, readHistory, type LogLine, type Stated } from './checker/log.js';
export type { Rule, Violation } from './checker/violations.js';
export type { ClientEvents, ClientState, OfflineBatch } from './client-events.js';
export { HuizhiClient } from './client.js';
export { contentDigest } from './content-hash.js';
export {
  ClientClosedError,
  ClientIdInUseError,
  LoginRefusedError,
  OutboxFullError,
  RequestRefusedError,
  RequestTimeoutError,
  SendRefusedError,
  SendUnknownError,
} from './errors.js';
export type { HistoryPage, HistoryQuery } from './history.js';
export { LineSplitter, parseFrame, WireError } from './line-splitter.js';
export { MemoryStore } from './memory-store.js';
export type { Observed, Observer, SeenMessage } from './observer.js';
export type { Bounds, ClientOptions, Timings } from './options.js';
export type { Sending } from './outgoing.js';
export { seen } from './seen.js';
export type { Store } from './store.js';
export type { SendOptions, Target } from './target.js';
export { tlsLines } from './tls-lines.js';
export type { Address, Connection, Transport, TransportHandlers } from './transport.js';
