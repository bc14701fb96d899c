import type { Socket } from 'node:net';
import { writes } from '../metrics.js';
import type { EndOfTurn, Flushable } from '../time/end-of-turn.js';

export type Sink = Pick<Socket, 'write' | 'end' | 'writableLength'>;

/**
 * What is to be written to one socket: gathered over a turn of the event loop, written at once at its end, held back while the socket is
 * full. Never more than `limit` bytes, the socket's own buffer included: beyond that everything is dropped and
 * `overflow` is told.
 */
export class Writer implements Flushable {
  private parts: string[] = [];
  private bytes = 0;
  private queued = false;
  private ended = false;
  /** Since when the socket has taken nothing; 0 while it takes what it is given. */
  blockedAt = 0;

  constructor(
    private readonly socket: Sink,
    private readonly limit: number,
    private readonly endOfTurn: EndOfTurn,
    private readonly now: () => number,
    private readonly tell: { overflow(): void; blocked(): void },
  ) {}

  /** Bytes that have not left yet. */
  get backlog(): number {
    return this.bytes + this.socket.writableLength;
  }

  write(text: string): void {
    if (this.ended) return;
    this.bytes += Buffer.byteLength(text);
    if (this.backlog > this.limit) {
      this.drop();
      return this.tell.overflow();
    }
    this.parts.push(text);
    if (this.queued || this.blockedAt !== 0) return;
    this.queued = true;
    this.endOfTurn.add(this);
  }

  flush(): void {
    this.queued = false;
    if (this.ended || this.blockedAt !== 0 || this.parts.length === 0) return;
    const text = this.gathered();
    if (this.socket.write(text)) return;
    this.blockedAt = this.now();
    this.tell.blocked();
  }

  /** The socket has room again. */
  drained(): void {
    this.blockedAt = 0;
    this.flush();
  }

  /** Everything that waits and then `last`; nothing is written after it. */
  end(last: string): void {
    if (this.ended) return;
    this.parts.push(last);
    this.ended = true;
    this.socket.end(this.gathered());
  }

  private gathered(): string {
    writes.add('writes');
    writes.add('frames', this.parts.length);
    const text = this.parts.length === 1 ? (this.parts[0] as string) : this.parts.join('');
    this.parts = [];
    this.bytes = 0;
    return text;
  }

  private drop(): void {
    this.parts = [];
    this.bytes = 0;
  }
}
