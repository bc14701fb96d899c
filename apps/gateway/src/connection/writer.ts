import type { Socket } from 'node:net';
import { writes } from '../metrics.js';
import type { FlushScheduler, Flushable } from '../timing/flush-scheduler.js';
import type { Written } from './codec.js';

/**
 * Bytes written to the socket at a time. The socket reports only complete writes, so this is the granularity of
 * progress.
 */
const PIECE_BYTES = 64 * 1024;

export type Sink = Pick<Socket, 'write' | 'end' | 'writableLength'>;

/**
 * Buffers the output of one socket and writes it once per event-loop turn; holds it back while the socket is blocked.
 * The limit in bytes includes the socket's own buffer. Beyond it the buffer is dropped and `overflow` is called.
 */
export class Writer implements Flushable {
  private parts: Written[] = [];
  /** Collected bytes beyond the first piece. */
  private rest: Buffer | undefined;
  private bytes = 0;
  private queued = false;
  private ended = false;
  /** When the socket last refused a write, ms; 0 while it is not blocked. */
  blockedAt = 0;

  constructor(
    private readonly socket: Sink,
    private readonly limit: number,
    private readonly flushScheduler: FlushScheduler,
    private readonly now: () => number,
    /** `onDrained`: the buffer is below the back-pressure threshold again. */
    private readonly tell: { overflow(): void; blocked(): void; onDrained(): void },
  ) {}

  /** Bytes that were not handed to the operating system yet. */
  get bufferedBytes(): number {
    return this.bytes + this.socket.writableLength;
  }

  /** Whether more bytes are buffered than a client that keeps up would leave. */
  get isBackpressured(): boolean {
    return this.bufferedBytes > this.limit / 4;
  }

  write(part: Written): void {
    if (this.ended || part.length === 0) return;
    this.bytes += typeof part === 'string' ? Buffer.byteLength(part) : part.length;
    if (this.bufferedBytes > this.limit) {
      this.drop();
      return this.tell.overflow();
    }
    this.parts.push(part);
    if (this.queued || this.blockedAt !== 0) return;
    this.queued = true;
    this.flushScheduler.add(this);
  }

  flush(): void {
    this.queued = false;
    if (this.ended || this.blockedAt !== 0) return;
    const wasBackpressured = this.isBackpressured;
    while (this.rest || this.parts.length > 0) {
      if (this.socket.write(this.piece())) continue;
      this.blockedAt = this.now();
      return this.tell.blocked();
    }
    // The socket accepted all bytes at once, so no `drain` event follows.
    if (wasBackpressured) this.tell.onDrained();
  }

  /** The socket emitted `drain`. */
  drained(): void {
    this.blockedAt = 0;
    this.flush();
    if (!this.isBackpressured) this.tell.onDrained();
  }

  /** Writes the buffered output and then `last`; later writes are ignored. */
  end(last: Written): void {
    if (this.ended) return;
    if (last.length > 0) this.parts.push(last);
    this.ended = true;
    if (this.rest) this.socket.write(this.rest);
    this.socket.end(this.gathered());
    this.rest = undefined;
    this.bytes = 0;
  }

  private piece(): Written {
    if (!this.rest) {
      const all = this.gathered();
      if (this.bytes <= PIECE_BYTES) {
        this.bytes = 0;
        return all;
      }
      this.rest = Buffer.from(all as string);
    }
    const piece = this.rest.subarray(0, PIECE_BYTES);
    this.rest = this.rest.length > PIECE_BYTES ? this.rest.subarray(PIECE_BYTES) : undefined;
    this.bytes -= piece.length;
    return piece;
  }

  private gathered(): Written {
    const { parts } = this;
    writes.add('writes');
    writes.add('frames', parts.length);
    this.parts = [];
    if (parts.length === 1) return parts[0] as Written;
    return parts.length === 0 || typeof parts[0] === 'string' ? parts.join('') : Buffer.concat(parts as Uint8Array[]);
  }

  /** A piece that has begun is still written completely: a partial frame would make the close frame unreadable. */
  private drop(): void {
    this.parts = [];
    this.bytes = this.rest?.length ?? 0;
  }
}
