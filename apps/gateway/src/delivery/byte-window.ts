/** Initial size of the window, bytes; enough for 500 short entries. */
const FIRST_BYTES = 256 * 1024;
/** Minimum size of the window, bytes. */
const LEAST_BYTES = 32 * 1024;
/** Maximum bytes that are redelivered at a time, so that little is wasted if the first copies are only late. */
export const REPEAT_BYTES = 32 * 1024;
/** Minimum free room for a batch, bytes; otherwise each receipt would fetch a batch of one entry. */
const BATCH_ROOM = LEAST_BYTES / 2;
/** Maximum part of the window for one batch, so that its receipts soon show the speed of the link. */
const BATCH_PART = 1 / 2;
/** Ms by which a receipt may be slower than the fastest one before the window shrinks. */
const QUEUEING_MS = 2_000;
/** Assumed minimum speed of each link, bytes per ms: half of the slowest link that is served well. */
const BYTES_PER_MS = 4;

/** The byte accounting of one entry. */
export interface Sent {
  /** When the entry was last written, ms. */
  readonly at: number;
  /** Position of the entry's last byte in all bytes delivered in this session, at its first write. */
  readonly end: number;
  /** Bytes in transit right after that write, including the entry. */
  readonly transit: number;
}

/**
 * Limits the delivered bytes in transit to one device and estimates how long they may take.
 *
 * On a slow link, written bytes may wait in the kernel's buffers for a minute. TCP keeps their order, so a receipt
 * proves that all bytes before its entry have arrived; the others are in transit.
 *
 * Bytes in transit occupy the window until they are receipted. After twice the last receipt time without a receipt,
 * they leave it as fast as the slowest link carries them. So a device that receipts rarely is slowed down, not
 * stopped.
 *
 * While the window limits deliveries, it grows by each byte receipted, so it doubles per round trip. It shrinks when a
 * receipt is slower than the fastest one by more than {@link QUEUEING_MS}: that time was spent in queues.
 */
export class ByteWindow {
  /** When bytes were last proven to have arrived, or the socket last drained, ms. */
  movedAt = 0;
  /** Ms from the write of an entry to its receipt, for the last receipt. */
  latest = 0;
  private written = 0;
  private arrived = 0;
  private size = FIRST_BYTES;
  /** Bytes that occupy the window, and when that number was last updated, ms. */
  private used = 0;
  private usedAt = 0;
  /** Value of `written` when the window last limited deliveries. */
  private limitedTo = 0;
  /** Minimum ms from the write of an entry to its receipt. */
  private quickest = Infinity;
  /** When other frames than entries were last written, and when they have arrived at the latest, ms. */
  private othersAt = 0;
  private othersUntil = 0;

  /** Bytes that are not proven to have arrived. */
  get transit(): number {
    return this.written - this.arrived;
  }

  /** Free bytes of the window; the last entry may exceed it. */
  room(now: number): number {
    return this.size - this.usedNow(now);
  }

  /** Maximum bytes of the next batch. */
  batchBytes(now: number): number {
    return Math.floor(Math.max(BATCH_ROOM, Math.min(this.room(now), this.size * BATCH_PART)));
  }

  /** When the window has room for a batch, ms. */
  get batchAt(): number {
    const excess = this.used + BATCH_ROOM - this.size;
    return excess <= 0 ? this.usedAt : this.usedAt + 2 * this.latest + excess / BYTES_PER_MS;
  }

  /** @returns the position of the entry's last byte in all bytes delivered in this session */
  wrote(bytes: number, now: number): number {
    this.written += bytes;
    this.used = this.usedNow(now) + bytes;
    this.usedAt = now;
    return this.written;
  }

  /** A frame that is not an entry was written; it delays the entries after it. */
  wroteOther(bytes: number, now: number): void {
    this.othersAt = now;
    this.othersUntil = Math.max(this.othersUntil, now) + bytes / BYTES_PER_MS;
  }

  /** The window delays deliveries or makes their batches smaller. */
  limits(): void {
    this.limitedTo = this.written;
  }

  /** All entries are receipted. */
  settled(): void {
    this.arrived = this.written;
    this.used = 0;
  }

  /** An entry is receipted, and no later entry was receipted before. */
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
      // In `latest` ms the link carried `transit` bytes; the new size is what it carries in the allowed time.
      this.size = Math.min(this.size, Math.max(LEAST_BYTES, (transit * allowed) / this.latest));
    }
  }

  /** Estimated ms until the bytes in transit have arrived over a slow link, at most `most`. */
  transitMs(now: number, most: number): number {
    const others = Math.max(0, this.othersUntil - now);
    return Math.min(most, this.transit / BYTES_PER_MS + others);
  }

  private usedNow(now: number): number {
    const idle = Math.max(0, now - this.usedAt - 2 * this.latest);
    return Math.max(0, this.used - idle * BYTES_PER_MS);
  }
}
