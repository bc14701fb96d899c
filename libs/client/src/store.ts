import type { Delivery } from '@huizhi/protocol';

/**
 * What a device keeps of its messages. A message is receipted only after `saveMessages` has returned it or said that it
 * was there already: so a durable store must not return before the data is safe. All methods are called one at a time.
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
  /** Forgets messages and cursor: from now on it holds data of this generation. */
  reset(generation: string): Promise<void> | void;
}
