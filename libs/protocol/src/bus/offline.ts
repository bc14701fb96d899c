import type { ErrorName } from '../errors.js';

/** Login of a device through a gateway. */
export interface OpenRequest {
  gateway: string;
  session: number;
  user: string;
  device: string;
  deviceType: string;
  version: number;
  /** When the token was issued, in seconds since 1970; 0 if the token has no `iat`. Absent if logins need no token. */
  issuedAt?: number;
  /** Number of the login at this gateway. A repeated attempt has a new session, but the same login number. */
  login: number;
  /** Age of the login in milliseconds. */
  age: number;
}

export interface OpenReply {
  error?: ErrorName;
  /** With an error: the device has since logged in elsewhere, so repeating the request has no effect. */
  overtaken?: boolean;
  /** Increases at each login of the device; messages with an older epoch are refused. */
  epoch: number;
  /** This device has receipted every entry up to this `inboxSeq`. */
  cursor: number;
  /** `inboxSeq` of the newest entry of the user's inbox. */
  head: number;
  /** `inboxSeq` of the newest entry that this device has to get; equal to `cursor` if there is none. */
  last: number;
  /** Number of entries that this device has to get; an upper bound if there are many. */
  waiting: number;
  generation: string;
  /** Entries above the device's cursor were dropped with their day partition, so delivery cannot be complete. */
  resync?: boolean;
}

/** Sessions of a gateway, sent to a new owner and every 30 s. Answered by `attached`, `kick` and `revoked`. */
export interface AttachBatch {
  gateway: string;
  /** `issuedAt` as in {@link OpenRequest}. */
  sessions: { session: number; user: string; device: string; epoch: number; issuedAt?: number }[];
}

/** Revokes all tokens of the user and ends all of the user's sessions. */
export interface RevokeRequest {
  user: string;
}
export interface RevokeReply {
  error?: ErrorName;
  /**
   * Tokens issued at or after this time are valid, in seconds since 1970. It is ahead of now by HZ_TOKEN_LEEWAY and up
   * to one second, because an accepted token may carry an `iat` that far ahead.
   */
  tokensValidFrom: number;
  /** Number of sessions ended. */
  sessions: number;
}

export interface CloseBatch {
  gateway: string;
  sessions: { session: number; user: string; device: string; epoch: number }[];
}

/** Entries of a user's inbox from `from` on, limited by `limit`, `maxBytes` and MAX_BUS_BYTES. */
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
 * Body lines: one delivery per entry that concerns the device. `entries` has every entry of the range `from` to `upTo`,
 * ascending, as `[inboxSeq, line]`; line is −1 if the entry is void for this device.
 */
export interface FetchReply {
  error?: ErrorName;
  entries: [inboxSeq: number, line: number][];
  upTo: number;
  head: number;
}

/** The contiguous cursors of some sessions; the gateway repeats them until they are confirmed. */
export interface CursorBatch {
  gateway: string;
  cursors: { session: number; user: string; device: string; epoch: number; cursor: number }[];
}

/** One message per commit and gateway, numbered per sender. A gap makes the gateway resynchronise its sessions. */
export interface GatewayBatch {
  /**
   * The sending offline instance, and the number of this message in its stream to this gateway. A tick repeats the last
   * number.
   */
  from: string;
  n: number;
  tick?: true;
  /** Live entries: `[session, inboxSeq, line]`; line is −1 if the entry is void for that device. */
  deliver?: [session: number, inboxSeq: number, line: number][];
  /** Stored cursors: `[session, cursor]`. */
  confirm?: [session: number, cursor: number][];
  /** Ended sessions: a newer login of the device replaced them. */
  kick?: number[];
  /** Ended sessions: the user's tokens were revoked. */
  revoked?: number[];
  /** Answers to attach: `[session, cursor, head]`. */
  attached?: [session: number, cursor: number, head: number][];
}
