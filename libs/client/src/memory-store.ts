import type { Delivery } from '@huizhi/protocol/client';
import { checkInteger } from './checks.js';
import type { Store } from './store.js';

const DEFAULT_KEPT = 10_000;

/**
 * Remembers `messageID`s, not messages: the application's listeners must keep messages. Beyond `kept` the oldest ids
 * are dropped. The server's window is far smaller, so ids of possible redeliveries are kept.
 */
export class MemoryStore implements Store {
  private readonly ids = new Set<string>();
  private current: string | undefined;
  private confirmed = 0;

  constructor(private readonly kept = DEFAULT_KEPT) {
    checkInteger('kept', kept, 1);
  }

  /** The highest confirmed `inboxSeq`. */
  get cursor(): number {
    return this.confirmed;
  }

  saveMessages(deliveries: readonly Delivery[]): Delivery[] {
    const fresh: Delivery[] = [];
    for (const delivery of deliveries) {
      if (this.ids.has(delivery.messageID)) continue;
      this.ids.add(delivery.messageID);
      fresh.push(delivery);
    }
    for (const id of this.ids) {
      if (this.ids.size <= this.kept) break;
      this.ids.delete(id);
    }
    return fresh;
  }

  saveCursor(inboxSeq: number): void {
    this.confirmed = Math.max(this.confirmed, inboxSeq);
  }

  generation(): string | undefined {
    return this.current;
  }

  reset(generation: string): void {
    this.current = generation;
    this.confirmed = 0;
    this.ids.clear();
  }
}
