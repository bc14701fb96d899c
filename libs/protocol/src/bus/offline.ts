import type { ErrorName } from '../errors.js';

/** A device logs in through a gateway. */
export interface OpenRequest {
  gateway: string;
  session: number;
  user: string;
  device: string;
  deviceType: string;
  version: number;
  /** When the login's token was issued, seconds since 1970; 0 when it does not say. Absent where logins need no token. */
  issuedAt?: number;
  /** Which login at this gateway: an attempt that is repeated has a session of its own, but is the same login. */
  login: number;
  /** How long ago the login came, milliseconds. */
  age: number;
}

export interface OpenReply {
  error?: ErrorName;
  /** With an error: the device has logged in anew since, elsewhere. Asking again changes nothing. */
  overtaken?: boolean;
  /** Grows at each login of the device; older ones are refused. */
  epoch: number;
  /** Everything up to this `inboxSeq` is receipted by this device. */
  cursor: number;
  /** The newest entry of the user's inbox. */
  head: number;
  /** The newest entry that this device has to get; the cursor when there is none. */
  last: number;
  /** How many entries this device has to get. Of many it is an upper bound. */
  waiting: number;
  generation: string;
  /** Entries beyond the device's cursor were dropped with their day: it cannot get everything by delivery. */
  resync?: boolean;
}

/** Sessions a gateway holds, told to a new owner and every 30 s. Answered by `attached`, `kick` and `revoked`. */
export interface AttachBatch {
  gateway: string;
  /** `issuedAt` as in {@link OpenRequest}. */
  sessions: { session: number; user: string; device: string; epoch: number; issuedAt?: number }[];
}

/** Ends all tokens that the user has, and all its sessions. */
export interface RevokeRequest {
  user: string;
}
export interface RevokeReply {
  error?: ErrorName;
  /**
   * Tokens issued from this second on are good, seconds since 1970. It lies in the future, by HZ_TOKEN_LEEWAY and up to a
   * second: a token that was accepted may say that it was issued so far ahead.
   */
  tokensValidFrom: number;
  /** How many sessions were ended. */
  sessions: number;
}

export interface CloseBatch {
  gateway: string;
  sessions: { session: number; user: string; device: string; epoch: number }[];
}

/** Entries of a user's inbox from `from` on, as far as they fit `limit` and MAX_BUS_BYTES. */
export interface FetchRequest {
  session: number;
  user: string;
  device: string;
  epoch: number;
  from: number;
  limit: number;
  maxBytes: number;
}

/**
 * Body lines: one delivery per entry that concerns the device. `entries` has all of them, ascending: `[inboxSeq, line]`, −1 where the
 * entry is void for this device. Everything from `from` to `upTo` is covered.
 */
export interface FetchReply {
  error?: ErrorName;
  entries: [inboxSeq: number, line: number][];
  upTo: number;
  head: number;
}

/** The contiguous cursors of some sessions; said again until confirmed. */
export interface CursorBatch {
  gateway: string;
  cursors: { session: number; user: string; device: string; epoch: number; cursor: number }[];
}

/** One message per commit and gateway, numbered per sender: a hole makes the gateway re-sync its sessions. */
export interface GatewayBatch {
  /** The offline instance that speaks, and the number of this message in its talk with this gateway; a tick repeats the last. */
  from: string;
  n: number;
  tick?: true;
  /** Live entries: `[session, inboxSeq, line]`, line −1 where the entry is void for that device. */
  deliver?: [session: number, inboxSeq: number, line: number][];
  /** Cursors that are stored now: `[session, cursor]`. */
  confirm?: [session: number, cursor: number][];
  /** Sessions that are over: another login of the device took their place. */
  kick?: number[];
  /** Sessions that are over: the user's tokens were revoked. */
  revoked?: number[];
  /** Answers to attach: `[session, cursor, head]`. */
  attached?: [session: number, cursor: number, head: number][];
}
