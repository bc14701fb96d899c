import type { Address } from './address.js';
import type { BackoffRange } from './backoff.js';
import type { Observer } from './observer.js';
import type { Store } from './store.js';
import type { Transport } from './transport.js';
import type { WireObserver } from './wire-watch.js';

export interface ClientOptions {
  /** Address of the server: a URL (see {@link addressOf}) or its parts. */
  address: Address | string;
  user: string;
  /** Identifies this device among the user's devices; must be the same at every start of the device. */
  deviceID: string;
  deviceType?: string;
  /** Default: the protocol version of this SDK. */
  versionCode?: number;
  /**
   * A function is called at each login, so that it can return a new token after one has expired, also when the expiry
   * ended a session. A string is used at each login, for programs that end before it expires.
   */
  token: string | (() => Promise<string> | string);
  /** Default: a {@link file://./memory-store.ts MemoryStore}, which does not survive the process. */
  store?: Store;
  /** Replaces the transport that the address selects. */
  transport?: Transport;
  /** Called with every event, for the history checker. Must be fast; its errors are ignored. */
  observer?: Observer;
  /** Called with every frame sent or received, for tools that show the wire. Costs time per frame. */
  wire?: WireObserver;
  timings?: Partial<Timings>;
  bounds?: Partial<Bounds>;
}

/** All values are in milliseconds. */
export interface Timings {
  /** From the first byte of the TCP handshake to the verified certificate. Default 10 s. */
  connectMs: number;
  /** From the connection, token callback included, to the loginReceipt. Default 10 s. */
  loginMs: number;
  /** Back-off after the end of a connection. Default: up to 1 s at first, up to 30 s at most. */
  reconnect: BackoffRange;
  /** A connection that lasted this long resets the back-off. Default 30 s. */
  stableMs: number;
  /**
   * A send without an answer for this long is repeated. Default 35 s: the server answers within 30 s, at least with
   * `unknown`.
   */
  answerMs: number;
  /**
   * Back-off after a temporary error, per conversation; a delay is at least half of its range. Default: up to 1 s at
   * first, up to 10 s at most.
   */
  resend: BackoffRange;
  /** A send's promise rejects with SendUnknownError after this; 0: never. Default 60 s. */
  deadlineMs: number;
  /** Receipts are coalesced for this long. Default 20 ms. */
  receiptMs: number;
  /** A receipt without confirmation is repeated after this. Default 3 s. */
  confirmMs: number;
  /** Timeout of each history page. Default 10 s. */
  historyMs: number;
  /** Overrides the heartbeat interval of the loginReceipt; for tests. */
  heartbeatMs?: number;
}

export interface Bounds {
  /** Maximum unsettled sends. Default 1000. */
  outbox: number;
  /** Maximum deliveries received and not yet stored; exceeding it reconnects. Default 5000. */
  inbox: number;
  /** Maximum history requests waiting for an answer. Default 64. */
  requests: number;
}
