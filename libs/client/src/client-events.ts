import type { Delivery, LoginReceipt } from '@huizhi/protocol/client';

export type ClientState = 'offline' | 'connecting' | 'loggingIn' | 'online' | 'closed';

/** An offline batch received in one frame. */
export interface OfflineBatch {
  /** All entries of the frame. */
  entries: Delivery[];
  /** Entries new to this device; count them for a badge. A `message` event follows for each. */
  fresh: Delivery[];
}

export interface ClientEvents {
  state: [state: ClientState];
  /**
   * After a login. The receipt has the number of waiting entries; with `resync` some were deleted, so read the history.
   */
  login: [receipt: LoginReceipt];
  /** A message new to this device: once per message, in `seq` order per conversation, after it is in the store. */
  message: [message: Delivery];
  batch: [batch: OfflineBatch];
  /** The server has stored the receipts up to this `inboxSeq`. */
  confirmed: [inboxSeq: number];
  /** `inboxSeq` of the newest entry that this device got or has to get, from a heartbeat. */
  head: [inboxSeq: number];
  /**
   * The server's data was restored from a backup. The store was reset; the application must drop data derived from it.
   */
  resync: [generation: string];
  /** The same device logged in on another connection; this client does not reconnect. */
  kicked: [];
  /** The tokens of this user were revoked; this client does not reconnect. Call `connect` again with a newer token. */
  revoked: [];
  /** A connection ended. `code` is 0 without a close frame. `reconnect`: this client reconnects by itself. */
  closed: [code: number, name: string, reconnect: boolean];
  /** An error that no other event or promise reports: of a listener, the token callback, the store or a frame. */
  error: [error: Error];
}

const names: Record<keyof ClientEvents, true> = {
  state: true,
  login: true,
  message: true,
  batch: true,
  confirmed: true,
  head: true,
  resync: true,
  kicked: true,
  revoked: true,
  closed: true,
  error: true,
};

export const isClientEvent = (name: string): name is keyof ClientEvents => Object.hasOwn(names, name);
