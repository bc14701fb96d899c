import type { NatsConnection } from '@nats-io/transport-node';

/**
 * Counts the published bytes that the server has not accepted yet. The client library buffers without a bound when the
 * server does not read. So a flush is sent after every `probeBytes`; its answer proves that everything before it was
 * accepted.
 */
export class Outbound {
  private written = 0;
  private taken = 0;
  private probedAt = 0;

  /** @param limitBytes above this many unaccepted bytes, {@link stalled} is true */
  constructor(
    private readonly limitBytes: number,
    private readonly probeBytes: number,
  ) {}

  get stalled(): boolean {
    return this.written - this.taken > this.limitBytes;
  }

  wrote(client: NatsConnection, bytes: number): void {
    this.written += bytes;
    if (this.written - this.probedAt < this.probeBytes) return;
    const mark = this.written;
    this.probedAt = mark;
    client.flush().then(
      () => (this.taken = Math.max(this.taken, mark)),
      () => undefined, // The connection broke; `restart` resets the counters.
    );
  }

  /** Resets the counters for a new connection: the buffer of the old one is discarded. */
  restart(): void {
    this.taken = this.written;
    this.probedAt = this.written;
  }
}
