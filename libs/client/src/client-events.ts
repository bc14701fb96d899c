import type { Delivery, LoginReceipt } from '@huizhi/protocol/client';

export type ClientState = 'offline' | 'connecting' | 'loggingIn' | 'online' | 'closed';

/** An offline batch as it came in one frame. */
export interface OfflineBatch {
  /** Everything in the frame. */
  entries: Delivery[];
  /** What this device did not have yet: count these for a badge. Each follows as a `message` of its own. */
  fresh: Delivery[];
}

export interface ClientEvents {
  state: [state: ClientState];
  /** Logged in; says among other things how much is waiting, and with `resync` that some of it is gone: read the history. */
  login: [receipt: LoginReceipt];
  /** A message this device did not have: once each, in `seq` order per conversation, after it is in the store. */
  message: [message: Delivery];
  batch: [batch: OfflineBatch];
  /** Everything up to this `inboxSeq` is stored by the server as receipted. */
  confirmed: [inboxSeq: number];
  /** The newest entry that this device got or has to get, from a heartbeat. */
  head: [inboxSeq: number];
  /** The server's data was restored from a backup: the store was reset, forget what was built from it. */
  resync: [generation: string];
  /** The same device logged in elsewhere; this client does not reconnect. */
  kicked: [];
  /** The tokens of this user were revoked; this client does not reconnect. With a newer token, connect it again. */
  revoked: [];
  /** A connection ended. `code` 0: without a close frame. `reconnect`: this client tries again by itself. */
  closed: [code: number, name: string, reconnect: boolean];
  /** Something failed that is not told elsewhere: a listener, the token callback, the store, a frame. */
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
