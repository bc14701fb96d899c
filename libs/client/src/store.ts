import type { Delivery } from '@huizhi/protocol/client';

/**
 * Storage of a device's messages. A message is receipted only after `saveMessages` has returned, so a durable store
 * must not return before the data is safe. Calls of these methods do not overlap. If a method throws, the client
 * reconnects and the server delivers again.
 */
export interface Store {
  /**
   * Stores the deliveries in order and returns, in order, those whose `messageID` is new. A `messageID` must be
   * remembered until its `inboxSeq` is confirmed, because the server may deliver it again until then.
   */
  saveMessages(deliveries: readonly Delivery[]): Promise<Delivery[]> | Delivery[];
  /** Entries up to this `inboxSeq` are confirmed and are not delivered again. Never decreases within a generation. */
  saveCursor(inboxSeq: number): Promise<void> | void;
  /** The generation last passed to `reset`; undefined for a new store. */
  generation(): Promise<string | undefined> | string | undefined;
  /** Deletes messages and cursor; the store then holds data of this generation. Unsettled sends stay. */
  reset(generation: string): Promise<void> | void;
  /** Persists unsettled sends beyond the program. Without it they live as long as the client. */
  readonly unsettled?: UnsettledStore;
}

/** A send without a final answer. */
export interface Unsettled {
  clientMsgID: string;
  /** Scope within which the order of sends is kept. */
  lane: string;
  /** JSON text of the frame. */
  json: string;
}

/**
 * Stores each send until it is settled. A send is written to the wire only after `keep` has resolved, so each message
 * that the server may have stored can be sent again with its client id. Calls may overlap; they take effect in order.
 */
export interface UnsettledStore {
  /** All unsettled sends in the order of `keep`. Called once, by the constructor of the client. */
  list(): readonly Unsettled[];
  keep(send: Unsettled): Promise<void>;
  /** Removes a send that the server has stored or refused. Unknown ids are ignored. */
  settled(clientMsgID: string): Promise<void>;
}
