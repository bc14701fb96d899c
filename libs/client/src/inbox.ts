import type { Delivery } from '@huizhi/protocol/client';
import type { Store } from './store.js';

/** Callbacks of an inbox. */
export interface InboxHandlers {
  /**
   * The deliveries of one frame and the new ones among them; called after they are stored and before they are
   * receipted.
   */
  onStored(frame: InboxFrame, fresh: Delivery[]): void;
  /** The store holds every entry up to this `inboxSeq`, so a receipt is due. */
  onOwed(inboxSeq: number): void;
  onOwedById(messageID: string): void;
  /**
   * This session must end: a gap, an overflow, or a store that failed. The server delivers again in the next session.
   */
  onBroken(reason: string, error?: Error): void;
  /** The store failed after the session of its data had ended. */
  onFailed(error: Error): void;
}

export interface InboxFrame {
  entries: Delivery[];
  batch: boolean;
}

/**
 * Passes deliveries to the store, once each and in `inboxSeq` order, which is `seq` order in every conversation. An
 * entry names its predecessor, so a lost entry shows as a gap. Entries after a gap are neither stored nor receipted.
 */
export class Inbox {
  private queue: InboxFrame[] = [];
  private queued = 0;
  private seen = 0;
  private prepare: (() => Promise<void>) | undefined;
  private cursor: number | undefined;
  private open = false;
  /** Number of the session: entries taken in one session must not be receipted in another. */
  private session = 0;
  private working: Promise<void> | undefined;

  constructor(
    private readonly store: Store,
    private readonly limit: number,
    private readonly handlers: InboxHandlers,
  ) {}

  /**
   * Begins a session whose entries up to `cursor` are confirmed.
   * @param prepare prepares the store before it takes entries of this session
   */
  begin(cursor: number, prepare: () => Promise<void>): void {
    this.clear();
    this.session++;
    this.seen = cursor;
    this.open = true;
    this.prepare = prepare;
    this.confirmed(cursor);
  }

  /** The server delivers nothing up to this `inboxSeq` again. The store learns it after the queued entries. */
  confirmed(inboxSeq: number): void {
    this.cursor = inboxSeq;
    this.working ??= this.work();
  }

  /**
   * Ends the session. Queued entries are still stored and emitted, but not receipted; the server delivers them again.
   */
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
    // A redelivery; its predecessor was checked at the first delivery.
    if (entry.inboxSeq <= this.seen) return true;
    // Equal, or lower if the entries between do not concern this device.
    if ((entry.prevInboxSeq ?? entry.inboxSeq - 1) > this.seen) {
      this.broken(`the inbox has a gap between ${this.seen} and ${entry.inboxSeq}`);
      return false;
    }
    this.seen = entry.inboxSeq;
    return true;
  }

  /** One loop for all sessions, so that store calls never overlap. */
  private async work(): Promise<void> {
    // Stores frames that arrived together in one call.
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
    // Compare ids, each once: a store may return copies, and a message may occur twice in the frames.
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
