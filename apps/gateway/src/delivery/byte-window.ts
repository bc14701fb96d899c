/** Bytes that may be in transit before the device has receipted any: a window of 500 short entries. */
const FIRST_BYTES = 256 * 1024;
/** The window never becomes narrower than this. */
const LEAST_BYTES = 32 * 1024;
/** The most bytes that are delivered again at a time: if the first copies are only late, little is wasted. */
export const REPEAT_BYTES = 32 * 1024;
/** A batch is written when so much room is free: otherwise each receipt would fetch a batch of one entry. */
const BATCH_ROOM = LEAST_BYTES / 2;
/** A batch takes at most this part of the window, so that its receipts show in time how quick the link is. */
const BATCH_PART = 1 / 2;
/** How much longer than the quickest receipt a receipt may take before the window becomes narrower, ms. */
const QUEUEING_MS = 2_000;
/** Every link is assumed to carry at least this much: half of the slowest one that is served well. */
const BYTES_PER_MS = 4;

/** An entry as far as its bytes go. */
export interface Sent {
  /** When it was last written. */
  readonly at: number;
  /** The place of its last byte among the bytes delivered in this session, the first time it was written. */
  readonly end: number;
  /** The bytes in transit then, its own included. */
  readonly transit: number;
}

/**
 * Limits the delivered bytes that may be on their way to one device, and estimates how long they may take.
 *
 * Bytes that were written may lie in the kernel's buffers for a minute on a slow link: the socket takes megabytes at once. TCP keeps their
 * order, so a receipt proves that everything written before its entry has arrived; all else counts as in transit. What is in transit
 * takes up the window until it is receipted. Should receipts stay out for twice as long as before, it takes it up only until the
 * slowest link would have carried it: a device that receipts after many entries, or not at all, is slowed down and not stopped.
 *
 * As long as the window is what holds deliveries back, it grows by each byte receipted, so it doubles in a round trip. It becomes
 * narrower when receipts take longer than the quickest one did by more than {@link QUEUEING_MS}: that time was spent in queues.
 */
export class ByteWindow {
  /** The last proof that bytes have arrived, or that the socket has taken what waited for it. */
  movedAt = 0;
  /** How long the last receipt took to come, ms. */
  latest = 0;
  private written = 0;
  private arrived = 0;
  private size = FIRST_BYTES;
  /** What of the window is taken up until receipts stay out, and since when it is so. */
  private used = 0;
  private usedAt = 0;
  /** Bytes written when the window was last found to hold deliveries back. */
  private limitedTo = 0;
  /** The least time from writing an entry to its receipt, ms. */
  private quickest = Infinity;
  /** When frames that are no deliveries were last written, and when they may have arrived at the latest. */
  private othersAt = 0;
  private othersUntil = 0;

  /** Bytes that are not proven to have arrived. */
  get transit(): number {
    return this.written - this.arrived;
  }

  /** Bytes that may be written; an entry may go beyond it. */
  room(now: number): number {
    return this.size - this.usedNow(now);
  }

  /** How many bytes the next batch may have. */
  batchBytes(now: number): number {
    return Math.floor(Math.max(BATCH_ROOM, Math.min(this.room(now), this.size * BATCH_PART)));
  }

  /** When there is room for a batch. */
  get batchAt(): number {
    const excess = this.used + BATCH_ROOM - this.size;
    return excess <= 0 ? this.usedAt : this.usedAt + 2 * this.latest + excess / BYTES_PER_MS;
  }

  /** @returns the place of the entry's last byte among all bytes delivered in this session */
  wrote(bytes: number, now: number): number {
    this.written += bytes;
    this.used = this.usedNow(now) + bytes;
    this.usedAt = now;
    return this.written;
  }

  /** A frame that is not an entry was written. Entries behind it arrive later by as much. */
  wroteOther(bytes: number, now: number): void {
    this.othersAt = now;
    this.othersUntil = Math.max(this.othersUntil, now) + bytes / BYTES_PER_MS;
  }

  /** Deliveries wait for room in the window, or it makes their batches small. */
  limits(): void {
    this.limitedTo = this.written;
  }

  /** Nothing unreceipted is left. */
  settled(): void {
    this.arrived = this.written;
    this.used = 0;
  }

  /** An entry is receipted, and no later one was. */
  receipted({ end, at, transit }: Sent, now: number): void {
    this.movedAt = now;
    if (at > this.othersAt) this.othersUntil = 0;
    const bytes = end - this.arrived;
    if (bytes <= 0) return;
    const wasLimited = this.arrived < this.limitedTo;
    this.arrived = end;
    this.used = Math.min(this.usedNow(now), this.written - end);
    this.usedAt = now;
    this.latest = now - at;
    this.quickest = Math.min(this.quickest, this.latest);
    const allowed = this.quickest + QUEUEING_MS;
    if (this.latest <= allowed) {
      if (wasLimited) this.size += bytes;
    } else {
      // The link carried what was in transit in that time: so much it carries in the time that is allowed.
      this.size = Math.min(this.size, Math.max(LEAST_BYTES, (transit * allowed) / this.latest));
    }
  }

  /** How long the bytes in transit may take to arrive on a slow link, ms; at most `most`. */
  transitMs(now: number, most: number): number {
    const others = Math.max(0, this.othersUntil - now);
    return Math.min(most, this.transit / BYTES_PER_MS + others);
  }

  private usedNow(now: number): number {
    const idle = Math.max(0, now - this.usedAt - 2 * this.latest);
    return Math.max(0, this.used - idle * BYTES_PER_MS);
  }
}
