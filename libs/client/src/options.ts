import { PROTOCOL_VERSION } from '@huizhi/protocol/client';
import { addressOf, serverOf, type Address } from './address.js';
import type { BackoffRange } from './backoff.js';
import type { Observer } from './observer.js';
import { checkOptions } from './option-checks.js';
import type { Store } from './store.js';
import type { Transport } from './transport.js';
import type { WireObserver } from './wire-watch.js';

export interface ClientOptions {
  /** Where the server is: a URL (see {@link addressOf}), or what it would say. */
  address: Address | string;
  user: string;
  /** Tells this user's devices apart; must be the same at every start of the same device. */
  deviceID: string;
  deviceType?: string;
  /** Default: the protocol version this SDK speaks. */
  versionCode?: number;
  /**
   * A function is asked at each login, so that an expired token can be replaced: also after the server ended a session because
   * its token had expired. A string is the same token at each login, for programs that live shorter than it.
   */
  token: string | (() => Promise<string> | string);
  /** Default: a {@link file://./memory-store.ts MemoryStore}, which forgets everything with the process. */
  store?: Store;
  /** Instead of the one the address asks for. */
  transport?: Transport;
  /** Told everything that happened, for the history checker. Must be quick; what it throws is swallowed. */
  observer?: Observer;
  /** Called with every frame that is sent or received, for tools that show the wire. Costs time per frame. */
  wire?: WireObserver;
  timings?: Partial<Timings>;
  bounds?: Partial<Bounds>;
}

/** All in milliseconds. */
export interface Timings {
  /** From the first byte of the TCP handshake to the verified certificate. Default 10 s. */
  connectMs: number;
  /** From the connection, over the token callback, to the loginReceipt. Default 10 s. */
  loginMs: number;
  /** Back-off after a connection has ended. Default: up to 1 s at first, up to 30 s at most. */
  reconnect: BackoffRange;
  /** A connection that lasted this long starts the back-off afresh. Default 30 s. */
  stableMs: number;
  /** A send unanswered for this long is sent again. Default 35 s: within 30 s the server says at least `unknown`. */
  answerMs: number;
  /** Back-off after a temporary error, per conversation. Default: up to 1 s at first, up to 10 s at most; at least half of it. */
  resend: BackoffRange;
  /** After this a send's promise rejects with SendUnknownError; 0: never. Default 60 s. */
  deadlineMs: number;
  /** Receipts are collected for this long. Default 20 ms. */
  receiptMs: number;
  /** A receipt that is not confirmed is said again after this. Default 3 s. */
  confirmMs: number;
  /** For each history page. Default 10 s. */
  historyMs: number;
  /** Overrides the heartbeat interval told at login; for tests. */
  heartbeatMs?: number;
}

export interface Bounds {
  /** Unsettled sends. Default 1000. */
  outbox: number;
  /** Deliveries received and not yet in the store; reaching it reconnects. Default 5000. */
  inbox: number;
  /** History requests waiting for an answer. Default 64. */
  requests: number;
}

const defaultTimings: Timings = {
  connectMs: 10_000,
  loginMs: 10_000,
  reconnect: { baseMs: 1_000, maxMs: 30_000 },
  stableMs: 30_000,
  answerMs: 35_000,
  resend: { baseMs: 1_000, maxMs: 10_000 },
  deadlineMs: 60_000,
  receiptMs: 20,
  confirmMs: 3_000,
  historyMs: 10_000,
};

const defaultBounds: Bounds = { outbox: 1000, inbox: 5000, requests: 64 };

export interface Settings {
  readonly address: Address;
  /** `host:port`. */
  readonly server: string;
  readonly user: string;
  readonly deviceID: string;
  readonly deviceType: string;
  readonly versionCode: number;
  readonly token: () => Promise<string> | string;
  readonly timings: Readonly<Timings>;
  readonly bounds: Readonly<Bounds>;
}

/** @throws TypeError that names the option which is wrong */
export function toSettings(options: ClientOptions): Settings {
  checkOptions(options);
  const { token } = options;
  const address = typeof options.address === 'string' ? addressOf(options.address) : options.address;
  return Object.freeze({
    address,
    server: serverOf(address),
    user: options.user,
    deviceID: options.deviceID,
    deviceType: options.deviceType ?? 'sdk',
    versionCode: options.versionCode ?? PROTOCOL_VERSION,
    token: typeof token === 'string' ? () => token : token,
    timings: Object.freeze({ ...defaultTimings, ...given(options.timings) }),
    bounds: Object.freeze({ ...defaultBounds, ...given(options.bounds) }),
  });
}

/** Without what is undefined, which must not take the place of a default. */
function given<T extends object>(options: Partial<T> | undefined): Partial<T> {
  return Object.fromEntries(Object.entries(options ?? {}).filter(([, value]) => value !== undefined)) as Partial<T>;
}
