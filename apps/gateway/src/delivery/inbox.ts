import { ByteWindow, REPEAT_BYTES, type Sent } from './byte-window.js';

export interface InboxSettings {
  readonly HZ_WINDOW: number;
  readonly HZ_REDELIVER_AFTER: number;
  readonly HZ_REDELIVER_MAX: number;
  readonly HZ_RECEIPT_OVERDUE: number;
}

interface Entry extends Sent {
  /** Absent where the entry is void for this device. */
  readonly messageID: string | undefined;
  receipted: boolean;
  /** When it was last written; once a later entry was receipted, when that was. */
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
 * `next` is normally delivered + 1. When receipts stay out it goes back to cursor + 1, and entries that should have been receipted by
 * then are written again, a few at a time. There are two ways to write, a live entry and the pump, and never both: while the
 * pump runs, live entries only move `head`.
 *
 * When a receipt should have come: an entry cannot arrive before what was written ahead of it, so its time begins anew with each receipt of
 * an earlier entry, and what is in transit is given the time that a slow link takes for it (see {@link ByteWindow}). Bytes are not
 * lost on a living connection: writing an entry again helps only a device that lost it after reading it.
 */
export class Inbox {
  /** The next entry to write. */
  next: number;
  head: number;
  /** The newest entry that the device got or may have to get: what is not known is taken for such, what does not concern it is not. */
  last: number;
  /** The pump is at work. */
  catchingUp = false;
  /** Limits the bytes in transit. */
  readonly bytes = new ByteWindow();
  /** The entry written before `next` that concerned this device. */
  private shown: number;
  /** The highest entry written in this session that concerned this device. */
  private highestShown: number;
  /** The same for cursor + 1. */
  private shownAtCursor: number;
  /** Entries cursor + 1 … delivered. The first is never receipted. */
  private readonly entries: Entry[] = [];
  private readonly places = new Map<string, number[]>();
  private interval: number;
  private shutAt: number | undefined;
  /** Since when bytes in transit have held entries back and nothing was receipted. */
  private heldAt: number | undefined;
  /** The highest entry that was receipted: everything before it has arrived. */
  private passed: number;
  /** The last entry to write again; 0 when none is written again. */
  private repeatTo = 0;

  /**
   * @param cursor everything up to it is receipted
   * @param last the newest entry that the device has to get
   * @param stored the cursor that the owner has confirmed
   */
  constructor(
    public cursor: number,
    head: number,
    private readonly settings: InboxSettings,
    last = head,
    public stored = cursor,
  ) {
    this.head = Math.max(head, cursor);
    this.last = Math.max(last, cursor);
    this.next = cursor + 1;
    this.shown = cursor;
    this.highestShown = cursor;
    this.shownAtCursor = cursor;
    this.passed = cursor;
    this.interval = settings.HZ_REDELIVER_AFTER;
  }

  get delivered(): number {
    return this.cursor + this.entries.length;
  }

  /** How many entries may be written now. */
  get room(): number {
    return this.cursor + this.settings.HZ_WINDOW + 1 - this.next;
  }

  /** There is something to write and room for it. */
  get isBehind(): boolean {
    return this.next <= this.head && this.room > 0;
  }

  /** Entries are being written again. */
  get isRepeating(): boolean {
    return this.repeatTo !== 0;
  }

  /** How many entries the next batch may hold. */
  get batchRoom(): number {
    return this.isRepeating ? this.repeatTo + 1 - this.next : this.room;
  }

  /** What an entry says it came after. */
  get previous(): number {
    return this.shown;
  }

  /** @param isVoid it is known not to concern the device */
  noteHead(head: number, isVoid = false): void {
    if (head <= this.head) return;
    this.head = head;
    if (!isVoid) this.last = head;
  }

  /** A live entry has come; `head` knows of it from now on. */
  live(inboxSeq: number, isVoid: boolean): LiveEntry {
    if (inboxSeq < this.next) return 'old';
    this.noteHead(inboxSeq, isVoid);
    return inboxSeq === this.next && !this.catchingUp && this.room > 0 ? 'now' : 'later';
  }

  /**
   * Takes the entry `next`, for which there must be room, and goes on to the following one. True: write it (read {@link previous}
   * first). A void entry is not written and counts as receipted in its turn; neither is what was receipted already.
   * @param messageID undefined where the entry is void
   * @param bytes how long the entry is
   */
  take(messageID: string | undefined, now: number, bytes = 0): boolean {
    if (this.room <= 0) throw new RangeError('the window is shut');
    const inboxSeq = this.next;
    this.next += 1;
    if (messageID !== undefined) this.shown = inboxSeq;
    const known = this.entries[inboxSeq - this.cursor - 1];
    if (known) return this.takeAgain(known, inboxSeq, messageID === undefined, now, bytes);
    const isVoid = messageID === undefined;
    const end = isVoid ? 0 : this.bytes.wrote(bytes, now);
    this.entries.push({ messageID, receipted: isVoid, at: now, end, transit: this.bytes.transit });
    this.noteHead(inboxSeq, isVoid);
    if (isVoid) this.advance();
    else this.remember(messageID, inboxSeq);
    if (!isVoid) this.highestShown = inboxSeq;
    if (inboxSeq >= this.last) this.last = this.highestShown;
    if (this.next > this.head) this.heldAt = undefined;
    if (this.delivered >= this.cursor + this.settings.HZ_WINDOW) this.shutAt ??= now;
    return messageID !== undefined;
  }

  private takeAgain(entry: Entry, inboxSeq: number, isVoid: boolean, now: number, bytes: number): boolean {
    entry.at = now;
    const write = !isVoid && !entry.receipted;
    if (write) this.bytes.wrote(bytes, now);
    if (isVoid) {
      this.mark(inboxSeq);
      this.progress(now);
    }
    if (this.next > this.repeatTo) this.resume();
    return write;
  }

  /** Every entry with this id that was delivered in this session; an unknown id means nothing. */
  receiptMessage(messageID: string, now: number): void {
    for (const inboxSeq of [...(this.places.get(messageID) ?? [])]) this.receipt(inboxSeq, now);
    this.progress(now);
  }

  /** Every entry delivered in this session up to `inboxSeq`. */
  receiptUpTo(inboxSeq: number, now: number): void {
    const last = Math.min(inboxSeq, this.delivered);
    // The last first: it shows at once how far bytes have arrived.
    for (let at = last; at > this.cursor; at--) this.receipt(at, now);
    this.progress(now);
  }

  /** The owner has stored this cursor. It may be ahead of ours: what it covers is never delivered again. */
  confirm(cursor: number, now: number): void {
    if (cursor > this.stored) this.stored = cursor;
    if (cursor <= this.cursor) return;
    this.receiptUpTo(cursor, now);
    if (cursor <= this.cursor) return;
    this.noteHead(cursor, true);
    // Up to there the device has got what it was to get, by an earlier session.
    if (this.last <= cursor) this.last = this.highestShown;
    this.cursor = this.shownAtCursor = cursor;
    this.highestShown = Math.max(this.highestShown, cursor);
    this.passed = Math.max(this.passed, cursor);
    this.catchUpWithCursor();
  }

  isRedeliveryDue(now: number): boolean {
    return now >= this.redeliveryAt(now);
  }

  /**
   * Back to the first unreceipted entry, to write again what should have been receipted by now, as far as it is not too much. Each time in a
   * row after twice as long.
   */
  rewind(now: number): void {
    this.next = this.cursor + 1;
    this.shown = this.shownAtCursor;
    this.repeatTo = this.lastLate(now);
    this.interval = Math.min(this.interval * 2, this.settings.HZ_REDELIVER_MAX);
  }

  /** On to what was not delivered yet. */
  resume(): void {
    this.repeatTo = 0;
    this.next = this.delivered + 1;
    this.shown = this.highestShown;
  }

  /** There is something to write, and the bytes in transit leave no room for it. */
  heldBack(now: number): void {
    this.bytes.limits();
    this.heldAt ??= now;
  }

  /** A window was shut for too long and nothing was receipted. */
  isOverdue(now: number): boolean {
    return now >= this.overdueAt(now);
  }

  /** When {@link isRedeliveryDue} or {@link isOverdue} may become true, or bytes in transit hold entries back no longer. */
  nextDue(now: number): number {
    const isHeld = this.heldAt !== undefined && this.isBehind && !this.catchingUp;
    const roomAt = isHeld ? this.bytes.batchAt : Infinity;
    return Math.min(roomAt, this.redeliveryAt(now), this.overdueAt(now));
  }

  private redeliveryAt(now: number): number {
    const oldest = this.entries[0];
    const midway = this.next <= this.delivered;
    if (!oldest || midway) return Infinity;
    const { bytes, settings, interval } = this;
    const most = settings.HZ_REDELIVER_MAX;
    const wait = Math.max(interval, Math.min(2 * bytes.latest, most));
    return this.clockOf(oldest, this.cursor + 1) + bytes.transitMs(now, most) + wait;
  }

  private overdueAt(now: number): number {
    const { bytes, settings, shutAt = Infinity, heldAt = Infinity } = this;
    return Math.min(shutAt, heldAt) + bytes.transitMs(now, settings.HZ_REDELIVER_MAX) + settings.HZ_RECEIPT_OVERDUE;
  }

  /** When the time for the receipt of an entry began. */
  private clockOf({ at }: Entry, inboxSeq: number): number {
    return inboxSeq <= this.passed ? at : Math.max(at, this.bytes.movedAt);
  }

  /** The last entry to write again: it has waited for its receipt for at least half of the time, and there are not too many bytes. */
  private lastLate(now: number): number {
    const [oldest] = this.entries;
    const first = this.cursor + 1;
    if (!oldest) return first;
    let last = first;
    for (const [place, entry] of this.entries.entries()) {
      if (entry.receipted) continue;
      if (entry.end - oldest.end > REPEAT_BYTES) break;
      if (now - this.clockOf(entry, first + place) >= this.settings.HZ_REDELIVER_AFTER / 2) last = first + place;
    }
    return last;
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

  private receipt(inboxSeq: number, now: number): void {
    const entry = this.entries[inboxSeq - this.cursor - 1];
    if (!entry || entry.receipted) return;
    if (inboxSeq > this.passed) this.pass(inboxSeq, entry, now);
    this.mark(inboxSeq);
  }

  /** Everything up to this entry has arrived: what of it is not receipted should be so soon, and what follows has its time from now. */
  private pass(inboxSeq: number, entry: Entry, now: number): void {
    for (let place = Math.max(this.passed, this.cursor) + 1; place < inboxSeq; place++) {
      const before = this.entries[place - this.cursor - 1];
      if (before) before.at = now;
    }
    this.passed = inboxSeq;
    this.bytes.receipted(entry, now);
    // The first copies arrive after all.
    if (this.isRepeating) this.resume();
  }

  private mark(inboxSeq: number): void {
    const entry = this.entries[inboxSeq - this.cursor - 1];
    if (!entry || entry.receipted) return;
    entry.receipted = true;
    if (entry.messageID !== undefined) this.forget(entry.messageID, inboxSeq);
    this.interval = this.settings.HZ_REDELIVER_AFTER;
    this.shutAt = undefined;
    this.heldAt = undefined;
  }

  private progress(now: number): void {
    this.advance();
    if (this.delivered >= this.cursor + this.settings.HZ_WINDOW) this.shutAt ??= now;
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
    if (this.entries.length === 0) this.bytes.settled();
    this.catchUpWithCursor();
  }

  /** What was receipted meanwhile need not be written again. */
  private catchUpWithCursor(): void {
    if (this.next > this.cursor) return;
    this.next = this.cursor + 1;
    this.shown = this.shownAtCursor;
    if (this.next > this.repeatTo) this.resume();
  }
}
