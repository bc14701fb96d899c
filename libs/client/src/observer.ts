/**
 * Events for the history checker, each reported when it happens. `connection` counts this client's logins from 1.
 * Contents are reported as a hash (see {@link file://./content-hash.ts}), never as text.
 */
export type Observed =
  | { ev: 'connected'; connection: number; cursor: number; head: number; window: number; generation: string }
  | { ev: 'closed'; connection: number; code: number; name: string }
  | { ev: 'invoke'; clientMsgID: string; target: string; hash: string }
  | { ev: 'ok'; clientMsgID: string; messageID: string; conversation: string; seq: number; serverTime: string }
  | { ev: 'fail'; clientMsgID: string; code: number }
  | { ev: 'unknown'; clientMsgID: string; neverSent: boolean }
  | ({ ev: 'received'; connection: number; via: 'live' | 'batch'; inboxSeq: number; previous: number } & SeenMessage)
  | { ev: 'receipted'; connection: number; upTo?: number; messageIDs?: string[] }
  | { ev: 'confirmed'; connection: number; inboxSeq: number };

/** A message as a device received it, in a delivery or in history. */
export interface SeenMessage {
  messageID: string;
  conversation: string;
  seq: number;
  from: string;
  /** Target of the sender: `u:<user>` or `g:<group>`. */
  to: string;
  kind: string;
  clientMsgID?: string;
  hash: string;
}

export type Observer = (event: Observed) => void;
