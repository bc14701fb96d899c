import type { Socket } from 'node:net';
import { writes } from '../metrics.js';
import type { FlushScheduler, Flushable } from '../timing/flush-scheduler.js';
import type { Written } from './codec.js';

/** Handed to the socket at a time, bytes. It says only that it has taken all of that, so this is how finely progress is seen. */
const PIECE_BYTES = 64 * 1024;

export type Sink = Pick<Socket, 'write' | 'end' | 'writableLength'>;

/**
 * What is to be written to one socket: gathered over a turn of the event loop, written at once at its end, held back while the socket is
 * full. Never more than `limit` bytes, the socket's own buffer included: beyond that everything is dropped and
 * `overflow` is told.
 */
export class Writer implements Flushable {
  private parts: Written[] = [];
  /** Of what was gathered and is too much for one piece. */
  private rest: Buffer | undefined;
  private bytes = 0;
  private queued = false;
  private ended = false;
  /** Since when the socket has taken nothing; 0 while it takes what it is given. */
  blockedAt = 0;

  constructor(
    private readonly socket: Sink,
    private readonly limit: number,
    private readonly flushScheduler: FlushScheduler,
    private readonly now: () => number,
    /** `roomy`: what made it crowded has left. */
    private readonly tell: { overflow(): void; blocked(): void; onDrained(): void },
  ) {}

  /** Bytes that have not left yet. */
  get bufferedBytes(): number {
    return this.bytes + this.socket.writableLength;
  }

  /** More waits than somebody who keeps up would leave. */
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
    // The system took all at once: no `drain` will follow.
    if (wasBackpressured) this.tell.onDrained();
  }

  /** The socket has room again. */
  drained(): void {
    this.blockedAt = 0;
    this.flush();
    if (!this.isBackpressured) this.tell.onDrained();
  }

  /** Everything that waits and then `last`; nothing is written after it. */
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

  /** What has begun is still written to its end: half a frame would make the last words unreadable. */
  private drop(): void {
    this.parts = [];
    this.bytes = this.rest?.length ?? 0;
  }
}
