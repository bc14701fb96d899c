import type { Delivery } from '@huizhi/protocol/client';
import type { Store } from './store.js';

/** What an inbox tells its client. */
export interface InboxHandlers {
  /** One frame's deliveries, and those of them that were new; after they are stored, before they are receipted. */
  onStored(frame: InboxFrame, fresh: Delivery[]): void;
  /** Everything up to here is in the store. */
  onOwed(inboxSeq: number): void;
  onOwedById(messageID: string): void;
  /** This session cannot go on: a hole, an overflow, or a store that failed. The server delivers again in the next. */
  onBroken(reason: string, error?: Error): void;
  /** The store failed when the session it worked for was over already. */
  onFailed(error: Error): void;
}

export interface InboxFrame {
  entries: Delivery[];
  batch: boolean;
}

/**
 * Deliveries from the wire to the store, once each and in `inboxSeq` order, which is `seq` order in every conversation.
 * An entry names its predecessor, so a lost one shows: what would follow a hole is neither stored nor receipted.
 */
export class Inbox {
  private queue: InboxFrame[] = [];
  private queued = 0;
  private seen = 0;
  private prepare: (() => Promise<void>) | undefined;
  private cursor: number | undefined;
  private open = false;
  /** Counts sessions: what was taken in one must not be receipted in another. */
  private session = 0;
  private working: Promise<void> | undefined;

  constructor(
    private readonly store: Store,
    private readonly limit: number,
    private readonly handlers: InboxHandlers,
  ) {}

  /**
   * A new session: everything up to `cursor` is confirmed.
   * @param prepare what the store needs before it takes anything of this session
   */
  begin(cursor: number, prepare: () => Promise<void>): void {
    this.clear();
    this.session++;
    this.seen = cursor;
    this.open = true;
    this.prepare = prepare;
    this.confirmed(cursor);
  }

  /** The server will not deliver anything up to here again: the store is told when its turn comes. */
  confirmed(inboxSeq: number): void {
    this.cursor = inboxSeq;
    this.working ??= this.work();
  }

  /** The session is over. What came in order is still stored and told, but not receipted: it will be delivered again. */
  end(): void {
    this.open = false;
  }

  take(entries: Delivery[], batch: boolean): void {
    if (!this.open) return;
    const whole = entries.filter((entry) => this.follows(entry));
    if (!this.open) return;
    this.queued += whole.length;
    if (this.queued > this.limit) return this.broken(`more than ${this.limit} deliveries wait for the store`);
    this.queue.push({ entries: whole, batch });
    this.working ??= this.work();
  }

  private follows(entry: Delivery): boolean {
    if (!this.open) return false;
    if (entry.inboxSeq === undefined) return true;
    // A redelivery; its predecessor was checked the first time.
    if (entry.inboxSeq <= this.seen) return true;
    // Equal, or lower when what lies between does not concern this device.
    if ((entry.prevInboxSeq ?? entry.inboxSeq - 1) > this.seen) {
      this.broken(`the inbox has a hole between ${this.seen} and ${entry.inboxSeq}`);
      return false;
    }
    this.seen = entry.inboxSeq;
    return true;
  }

  /** One loop for all sessions: the store is never called twice at a time. */
  private async work(): Promise<void> {
    // Lets frames that arrived together be stored together.
    await Promise.resolve();
    while (this.prepare || this.cursor !== undefined || this.queue.length > 0) {
      const { session } = this;
      try {
        await this.step(session);
      } catch (error) {
        const isCurrent = session === this.session;
        if (isCurrent) this.clear();
        if (isCurrent && this.open) this.broken('the store failed', asError(error));
        else this.handlers.onFailed(asError(error));
      }
    }
    this.working = undefined;
  }

  private async step(session: number): Promise<void> {
    const { prepare, cursor, queue } = this;
    if (prepare) {
      this.prepare = undefined;
      return prepare();
    }
    if (queue.length > 0) {
      this.queue = [];
      this.queued = 0;
      return this.save(queue, session);
    }
    this.cursor = undefined;
    if (cursor !== undefined) await this.store.saveCursor(cursor);
  }

  private async save(frames: InboxFrame[], session: number): Promise<void> {
    const saved = await this.store.saveMessages(frames.flatMap((frame) => frame.entries));
    // By id, and each once: a store may return copies, and the same message may have come twice.
    const fresh = new Set(saved.map((entry) => entry.messageID));
    for (const frame of frames) {
      this.handlers.onStored(
        frame,
        frame.entries.filter((entry) => fresh.delete(entry.messageID)),
      );
    }
    if (!this.open || session !== this.session) return;
    let highest = 0;
    for (const { entries } of frames) {
      for (const entry of entries) {
        if (entry.inboxSeq === undefined) this.handlers.onOwedById(entry.messageID);
        else highest = Math.max(highest, entry.inboxSeq);
      }
    }
    if (highest > 0) this.handlers.onOwed(highest);
  }

  private clear(): void {
    this.queue = [];
    this.queued = 0;
    this.prepare = this.cursor = undefined;
  }

  private broken(reason: string, error?: Error): void {
    this.end();
    this.handlers.onBroken(reason, error);
  }
}

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));
