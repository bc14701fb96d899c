import type { Delivery } from '@huizhi/protocol/client';

/**
 * What a device keeps of its messages. A message is receipted only after `saveMessages` has returned it or said that it
 * was there already: so a durable store must not return before the data is safe. These methods are called one at a time.
 * A store that throws makes the client reconnect, whereupon the server delivers again.
 */
export interface Store {
  /**
   * Keeps these, in order, and returns those whose `messageID` was not there yet, in order. Must remember a `messageID`
   * at least until its `inboxSeq` is confirmed: until then it may come again.
   */
  saveMessages(deliveries: readonly Delivery[]): Promise<Delivery[]> | Delivery[];
  /** Everything up to here is confirmed and will not come again. Never decreases within a generation. */
  saveCursor(inboxSeq: number): Promise<void> | void;
  /** The generation last given to `reset`; undefined when the store is new. */
  generation(): Promise<string | undefined> | string | undefined;
  /** Forgets messages and cursor: from now on it holds data of this generation. What is unsettled stays. */
  reset(generation: string): Promise<void> | void;
  /** Where unsettled sends outlive the program. Without it they live as long as the client. */
  readonly unsettled?: UnsettledStore;
}

/** A send that has no final answer yet. */
export interface Unsettled {
  clientMsgID: string;
  /** Within one of these order is kept. */
  lane: string;
  /** The frame. */
  json: string;
}

/**
 * Keeps every send until it is settled. A send is written to the wire only after `keep` has resolved, so whatever the server may
 * have stored is known here and can be sent again with the same client id. Calls may overlap; they take effect in order.
 */
export interface UnsettledStore {
  /** Everything kept and not settled, in the order of `keep`. A client asks once, when it is made. */
  list(): readonly Unsettled[];
  keep(send: Unsettled): Promise<void>;
  /** Stored or refused by the server. Unknown ids are passed over. */
  settled(clientMsgID: string): Promise<void>;
}
