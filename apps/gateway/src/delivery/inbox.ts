export interface InboxSettings {
  readonly WINDOW: number;
  readonly REDELIVER_AFTER: number;
  readonly REDELIVER_AT_MOST: number;
  readonly RECEIPT_OVERDUE: number;
}

interface Entry {
  /** Absent where the entry is void for this device. */
  readonly messageID: string | undefined;
  receipted: boolean;
  /** When it was last written. */
  at: number;
}

/** What becomes of a live entry: written now, left to the pump, or known already. */
export type LiveEntry = 'now' | 'later' | 'old';

/**
 * One session's place in its user's inbox. Entries are written strictly in `inboxSeq` order, and an entry may be written while it is at
 * most a window ahead of the cursor; everything between the cursor and there is remembered until it is receipted.
 *
 *   receipted │ delivered in this session │ to deliver            │ not known yet
 *   … cursor  │ cursor+1 … delivered      │ delivered+1 … head    │ head+1 …
 *
 * `next` is normally delivered + 1. When receipts stay out it goes back to cursor + 1 and everything unreceipted is written again.
 * There are two ways to write, a live entry and the pump, and never both: while the pump runs, live entries only move `head`.
 */
export class Inbox {
  /** The next entry to write. */
  next: number;
  head: number;
  /** The pump is at work. */
  catchingUp = false;
  /** The entry written before `next` that concerned this device. */
  private shown: number;
  /** The same for cursor + 1. */
  private shownAtCursor: number;
  /** Entries cursor + 1 … delivered. The first is never receipted. */
  private readonly entries: Entry[] = [];
  private readonly places = new Map<string, number[]>();
  private interval: number;
  private shutAt: number | undefined;

  /**
   * @param cursor everything up to it is receipted
   * @param stored the cursor that the owner has confirmed
   */
  constructor(
    public cursor: number,
    head: number,
    private readonly settings: InboxSettings,
    public stored = cursor,
  ) {
    this.head = Math.max(head, cursor);
    this.next = cursor + 1;
    this.shown = cursor;
    this.shownAtCursor = cursor;
    this.interval = settings.REDELIVER_AFTER;
  }

  get delivered(): number {
    return this.cursor + this.entries.length;
  }

  /** How many entries may be written now. */
  get room(): number {
    return this.cursor + this.settings.WINDOW + 1 - this.next;
  }

  /** There is something to write and room for it. */
  get isBehind(): boolean {
    return this.next <= this.head && this.room > 0;
  }

  /** What an entry says it came after. */
  get previous(): number {
    return this.shown;
  }

  noteHead(head: number): void {
    if (head > this.head) this.head = head;
  }

  /** A live entry has come; `head` knows of it from now on. */
  live(inboxSeq: number): LiveEntry {
    if (inboxSeq < this.next) return 'old';
    this.noteHead(inboxSeq);
    return inboxSeq === this.next && !this.catchingUp && this.room > 0 ? 'now' : 'later';
  }

  /**
   * Takes the entry `next`, for which there must be room, and goes on to the following one. True: write it (read {@link previous}
   * first). A void entry is not written and counts as receipted in its turn; neither is what was receipted already.
   * @param messageID undefined where the entry is void
   */
  take(messageID: string | undefined, now: number): boolean {
    if (this.room <= 0) throw new RangeError('the window is shut');
    const inboxSeq = this.next;
    this.next += 1;
    if (messageID !== undefined) this.shown = inboxSeq;
    const known = this.entries[inboxSeq - this.cursor - 1];
    if (known) {
      known.at = now;
      const write = messageID !== undefined && !known.receipted;
      if (messageID === undefined) {
        this.mark(inboxSeq);
        this.progress(now);
      }
      return write;
    }
    this.entries.push({ messageID, receipted: messageID === undefined, at: now });
    this.noteHead(inboxSeq);
    if (messageID === undefined) this.advance();
    else this.remember(messageID, inboxSeq);
    if (this.delivered >= this.cursor + this.settings.WINDOW) this.shutAt ??= now;
    return messageID !== undefined;
  }

  /** Every entry with this id that was delivered in this session; an unknown id means nothing. */
  receiptMessage(messageID: string, now: number): void {
    for (const inboxSeq of [...(this.places.get(messageID) ?? [])]) this.mark(inboxSeq);
    this.progress(now);
  }

  /** Every entry delivered in this session up to `inboxSeq`. */
  receiptUpTo(inboxSeq: number, now: number): void {
    const last = Math.min(inboxSeq, this.delivered);
    for (let at = this.cursor + 1; at <= last; at++) this.mark(at);
    this.progress(now);
  }

  /** The owner has stored this cursor. It may be ahead of ours: what it covers is never delivered again. */
  confirm(cursor: number, now: number): void {
    if (cursor > this.stored) this.stored = cursor;
    if (cursor <= this.cursor) return;
    this.receiptUpTo(cursor, now);
    if (cursor <= this.cursor) return;
    this.cursor = this.shownAtCursor = cursor;
    this.noteHead(cursor);
    this.catchUpWithCursor();
  }

  isRedeliveryDue(now: number): boolean {
    return now >= this.redeliveryAt();
  }

  /** Back to the first unreceipted entry; each time in a row after twice as long. */
  rewind(): void {
    this.next = this.cursor + 1;
    this.shown = this.shownAtCursor;
    this.interval = Math.min(this.interval * 2, this.settings.REDELIVER_AT_MOST);
  }

  /** The window was shut for too long and nothing was receipted. */
  isOverdue(now: number): boolean {
    return this.shutAt !== undefined && now - this.shutAt >= this.settings.RECEIPT_OVERDUE;
  }

  /** When {@link isRedeliveryDue} or {@link isOverdue} may become true. */
  nextDue(): number {
    return Math.min(
      this.redeliveryAt(),
      this.shutAt === undefined ? Infinity : this.shutAt + this.settings.RECEIPT_OVERDUE,
    );
  }

  private redeliveryAt(): number {
    const oldest = this.entries[0];
    const midway = this.next <= this.delivered;
    return oldest && !midway ? oldest.at + this.interval : Infinity;
  }

  private remember(messageID: string, inboxSeq: number): void {
    const places = this.places.get(messageID);
    if (places) places.push(inboxSeq);
    else this.places.set(messageID, [inboxSeq]);
  }

  private forget(messageID: string, inboxSeq: number): void {
    const places = this.places.get(messageID);
    if (!places || places.length === 1) this.places.delete(messageID);
    else places.splice(places.indexOf(inboxSeq), 1);
  }

  private mark(inboxSeq: number): void {
    const entry = this.entries[inboxSeq - this.cursor - 1];
    if (!entry || entry.receipted) return;
    entry.receipted = true;
    if (entry.messageID !== undefined) this.forget(entry.messageID, inboxSeq);
    this.interval = this.settings.REDELIVER_AFTER;
    this.shutAt = undefined;
  }

  private progress(now: number): void {
    this.advance();
    if (this.delivered >= this.cursor + this.settings.WINDOW) this.shutAt ??= now;
  }

  /** The cursor goes as far as everything is receipted. */
  private advance(): void {
    let done = 0;
    for (const { receipted, messageID } of this.entries) {
      if (!receipted) break;
      done += 1;
      if (messageID !== undefined) this.shownAtCursor = this.cursor + done;
    }
    if (done === 0) return;
    this.entries.splice(0, done);
    this.cursor += done;
    this.catchUpWithCursor();
  }

  /** What was receipted meanwhile need not be written again. */
  private catchUpWithCursor(): void {
    if (this.next > this.cursor) return;
    this.next = this.cursor + 1;
    this.shown = this.shownAtCursor;
  }
}
