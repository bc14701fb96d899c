import type { Socket } from 'node:net';

export interface Rules {
  latencyMs: number;
  splitBytes: number;
}

/** Maximum bytes that one direction buffers before its source is paused. */
const HELD_BYTES = 1024 * 1024;
/** A throttled direction writes the bytes of this many milliseconds at once. */
const THROTTLE_MS = 20;

/** One direction of a connection. Chunks leave in order, delayed and split by the current rules. */
export class Pipe {
  #queue: { chunk: Buffer | 'end'; due: number }[] = [];
  #held = 0;
  #timer: NodeJS.Timeout | NodeJS.Immediate | undefined;
  #stalled = false;
  #bytesPerSecond = Infinity;
  /** When the bytes that were written have used up their time; a value of `performance.now()`. */
  #free = 0;

  constructor(
    private readonly to: Socket,
    private readonly from: Socket,
    private readonly rules: Rules,
  ) {
    to.on('drain', () => this.#resume());
    to.once('close', () => (this.#queue = []));
  }

  push(chunk: Buffer): void {
    const { latencyMs, splitBytes } = this.rules;
    if (this.#queue.length === 0 && latencyMs === 0 && splitBytes === 0 && this.#bytesPerSecond === Infinity) {
      if (!this.to.write(chunk)) this.from.pause();
      return;
    }
    this.#held += chunk.length;
    if (this.#held > HELD_BYTES) this.from.pause();
    this.#enqueue(chunk);
  }

  /** Stops reading from the source permanently. */
  stall(): void {
    this.#stalled = true;
    this.from.pause();
  }

  /** Limits the rate from now on, buffered bytes included. Infinity: no limit. */
  throttle(bytesPerSecond: number): void {
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** Passes on the source's FIN after all buffered bytes. */
  end(): void {
    if (this.#queue.length === 0) this.to.end();
    else this.#enqueue('end');
  }

  #enqueue(chunk: Buffer | 'end'): void {
    this.#queue.push({ chunk, due: performance.now() + this.rules.latencyMs });
    if (this.#timer === undefined) this.#schedule();
  }

  #schedule(): void {
    const next = this.#queue[0];
    if (!next) return;
    const wait = this.#due(next) - performance.now();
    const flush = (): void => this.#flush();
    this.#timer = wait > 0 ? setTimeout(flush, wait) : setImmediate(flush);
  }

  #due({ due }: { due: number }): number {
    return this.#bytesPerSecond === Infinity ? due : Math.max(due, this.#free);
  }

  #flush(): void {
    this.#timer = undefined;
    const next = this.#queue[0];
    if (!next || this.to.destroyed) return;
    // A timer may fire slightly early.
    const now = performance.now();
    if (this.#due(next) > now) return this.#schedule();
    if (next.chunk === 'end') {
      this.#queue.shift();
      this.to.end();
      return;
    }
    const inTime = Math.ceil((this.#bytesPerSecond * THROTTLE_MS) / 1_000);
    const size = this.rules.splitBytes > 0 ? this.rules.splitBytes : Math.min(next.chunk.length, inTime);
    const piece = next.chunk.subarray(0, size);
    next.chunk = next.chunk.subarray(size);
    if (next.chunk.length === 0) this.#queue.shift();
    this.#held -= piece.length;
    this.#free = now + (piece.length / this.#bytesPerSecond) * 1_000;
    this.to.write(piece);
    this.#resume();
    this.#schedule();
  }

  #resume(): void {
    if (!this.#stalled && this.#held <= HELD_BYTES && !this.to.writableNeedDrain) this.from.resume();
  }
}
