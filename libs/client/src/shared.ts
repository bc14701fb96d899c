/**
 * Exports of the SDK for all platforms; {@link file://./index.ts} and {@link file://./browser.ts} add those of a
 * platform.
 */
export { addressOf, type Address, type Mode } from './address.js';
export type { BackoffRange } from './backoff.js';
export type { ClientEvents, ClientState, OfflineBatch } from './client-events.js';
export type { Client, ConnectOptions } from './client.js';
export { contentDigest } from './content-hash.js';
export {
  CertificateError,
  ClientClosedError,
  ClientIdInUseError,
  ConnectFailedError,
  LoginRefusedError,
  OutboxFullError,
  RequestRefusedError,
  RequestTimeoutError,
  SendRefusedError,
  SendUnknownError,
  UpgradeRefusedError,
} from './errors.js';
export type { HistoryPage, HistoryQuery } from './history.js';
export { MemoryStore } from './memory-store.js';
export type { Observed, Observer, SeenMessage } from './observer.js';
export type { Bounds, ClientOptions, Timings } from './options.js';
export type { Restored, Sending } from './outgoing.js';
export { seen } from './seen.js';
export type { Store, Unsettled, UnsettledStore } from './store.js';
export type { SendOptions, Target } from './target.js';
export type { Connection, Transport, TransportFor, TransportHandlers } from './transport.js';
export type { WireFrame, WireObserver } from './wire-watch.js';
