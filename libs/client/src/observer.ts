/**
 * What the history checker needs to know, said at the moment it happened. `connection` counts this client's logins from 1.
 * Contents are told as a hash (see {@link file://./content-hash.ts}), never as text.
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

/** A message as a device saw it, in a delivery or in history. */
export interface SeenMessage {
  messageID: string;
  conversation: string;
  seq: number;
  from: string;
  /** `u:<user>` or `g:<group>`, as the sender addressed it. */
  to: string;
  kind: string;
  clientMsgID?: string;
  hash: string;
}

export type Observer = (event: Observed) => void;
