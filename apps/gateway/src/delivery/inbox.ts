import { ByteWindow, REPEAT_BYTES, type Sent } from './byte-window.js';

export interface InboxSettings {
  readonly HZ_WINDOW: number;
  readonly HZ_REDELIVER_AFTER: number;
  readonly HZ_REDELIVER_MAX: number;
  readonly HZ_RECEIPT_OVERDUE: number;
}

interface Entry extends Sent {
  /** Undefined when the entry is void for this device. */
  readonly messageID: string | undefined;
  receipted: boolean;
  /** When its receipt time began, ms: its last write, or the later receipt that proved its arrival. */
  at: number;
}

/** How a live entry is handled: written now, left to the pump, or ignored as known. */
export type LiveEntry = 'now' | 'later' | 'old';

/**
 * One session's position in its user's inbox. Entries are written strictly in `inboxSeq` order, at most a window ahead
 * of the cursor. Entries after the cursor are remembered until they are receipted.
 *
 *   receipted │ delivered in this session │ to deliver            │ not known yet
 *   … cursor  │ cursor+1 … delivered      │ delivered+1 … head    │ head+1 …
 *
 * `next` is normally delivered + 1. When receipts are late, it goes back to cursor + 1 for a redelivery of few
 * entries. Either a live entry or the pump writes, never both: while the pump runs, live entries only raise `head`.
 *
 * An entry cannot arrive before the bytes written ahead of it. So its receipt time restarts at each receipt of an
 * earlier entry. The receipt time includes the transit time of a slow link (see {@link ByteWindow}).
 * An open connection does not lose bytes: redelivery helps only a device that lost an entry after reading it.
 */
export class Inbox {
  /** The next entry to write. */
  next: number;
  head: number;
  /** The newest entry for the device, received or not. Entries of unknown content count; void ones do not. */
  last: number;
  /** The pump is running. */
  catchingUp = false;
  /** Limits the bytes in transit. */
  readonly bytes = new ByteWindow();
  /** The last entry before `next` that was not void for this device. */
  private shown: number;
  /** The highest entry written in this session that was not void. */
  private highestShown: number;
  /** The value of `shown` for next = cursor + 1. */
  private shownAtCursor: number;
  /** Entries cursor + 1 … delivered. The first one is never receipted. */
  private readonly entries: Entry[] = [];
  private readonly places = new Map<string, number[]>();
  private interval: number;
  private shutAt: number | undefined;
  /** Since when bytes in transit have delayed entries without any receipt, ms. */
  private heldAt: number | undefined;
  /** The highest receipted entry; all entries before it have arrived. */
  private passed: number;
  /** The last entry to redeliver; 0 while no redelivery is in progress. */
  private repeatTo = 0;

  /**
   * @param cursor all entries up to it are receipted
   * @param last the newest entry that the device has to receive
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

  /** An entry is waiting and the window has room for it. */
  get isBehind(): boolean {
    return this.next <= this.head && this.room > 0;
  }

  /** A redelivery is in progress. */
  get isRepeating(): boolean {
    return this.repeatTo !== 0;
  }

  /** Maximum number of entries of the next batch. */
  get batchRoom(): number {
    return this.isRepeating ? this.repeatTo + 1 - this.next : this.room;
  }

  /** The `previous` field of the next entry: the last non-void entry before it. */
  get previous(): number {
    return this.shown;
  }

  /** @param isVoid whether the entry is known to be void for the device */
  noteHead(head: number, isVoid = false): void {
    if (head <= this.head) return;
    this.head = head;
    if (!isVoid) this.last = head;
  }

  /** Handles a live entry and raises `head` to it. */
  live(inboxSeq: number, isVoid: boolean): LiveEntry {
    if (inboxSeq < this.next) return 'old';
    this.noteHead(inboxSeq, isVoid);
    return inboxSeq === this.next && !this.catchingUp && this.room > 0 ? 'now' : 'later';
  }

  /**
   * Takes the entry `next`, for which there must be room, and advances `next`. A void entry is not written and counts
   * as receipted; a receipted entry is not written again. Read {@link previous} before the call.
   * @param messageID undefined when the entry is void
   * @param bytes length of the entry
   * @returns whether the caller must write the entry
   * @throws RangeError when the window is full
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

  /** Receipts every entry with this id that was delivered in this session; ignores an unknown id. */
  receiptMessage(messageID: string, now: number): void {
    for (const inboxSeq of [...(this.places.get(messageID) ?? [])]) this.receipt(inboxSeq, now);
    this.progress(now);
  }

  /** Receipts every entry up to `inboxSeq` that was delivered in this session. */
  receiptUpTo(inboxSeq: number, now: number): void {
    const last = Math.min(inboxSeq, this.delivered);
    // The last entry first: its receipt proves the arrival of all others.
    for (let at = last; at > this.cursor; at--) this.receipt(at, now);
    this.progress(now);
  }

  /**
   * The owner has stored this cursor. It may be ahead of this session's cursor; entries up to it are not delivered
   * again.
   */
  confirm(cursor: number, now: number): void {
    if (cursor > this.stored) this.stored = cursor;
    if (cursor <= this.cursor) return;
    this.receiptUpTo(cursor, now);
    if (cursor <= this.cursor) return;
    this.noteHead(cursor, true);
    // An earlier session has delivered the entries up to this cursor.
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
   * Starts a redelivery at the first unreceipted entry, of the entries whose receipts are late. The interval doubles
   * with each redelivery in a row.
   */
  rewind(now: number): void {
    this.next = this.cursor + 1;
    this.shown = this.shownAtCursor;
    this.repeatTo = this.lastLate(now);
    this.interval = Math.min(this.interval * 2, this.settings.HZ_REDELIVER_MAX);
  }

  /** Continues with the first entry that was not delivered yet. */
  resume(): void {
    this.repeatTo = 0;
    this.next = this.delivered + 1;
    this.shown = this.highestShown;
  }

  /** Entries are waiting, and the bytes in transit leave no room for them. */
  heldBack(now: number): void {
    this.bytes.limits();
    this.heldAt ??= now;
  }

  /** The window or the byte window was full for too long without any receipt. */
  isOverdue(now: number): boolean {
    return now >= this.overdueAt(now);
  }

  /** When {@link isRedeliveryDue} or {@link isOverdue} may become true, or the byte window has room again, ms. */
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

  /** When the receipt time of an entry began, ms. */
  private clockOf({ at }: Entry, inboxSeq: number): number {
    return inboxSeq <= this.passed ? at : Math.max(at, this.bytes.movedAt);
  }

  /** The last entry to redeliver: its receipt is late by half of the time, and the bytes stay within REPEAT_BYTES. */
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

  /** All entries up to this one have arrived. The receipt time of the entries before it restarts now. */
  private pass(inboxSeq: number, entry: Entry, now: number): void {
    for (let place = Math.max(this.passed, this.cursor) + 1; place < inboxSeq; place++) {
      const before = this.entries[place - this.cursor - 1];
      if (before) before.at = now;
    }
    this.passed = inboxSeq;
    this.bytes.receipted(entry, now);
    // The first copies arrived late, so redelivery is not needed.
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

  /** Advances the cursor over all receipted entries. */
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

  /** Skips entries that were receipted in the meantime. */
  private catchUpWithCursor(): void {
    if (this.next > this.cursor) return;
    this.next = this.cursor + 1;
    this.shown = this.shownAtCursor;
    if (this.next > this.repeatTo) this.resume();
  }
}
