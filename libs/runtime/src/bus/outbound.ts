import type { NatsConnection } from '@nats-io/transport-node';

/**
 * Knows how much of what was published the server has not yet taken.
 * The client library buffers without a bound towards a server that does not read; so every `probeBytes` a flush is sent along,
 * and what came before it counts as taken when it is answered.
 */
export class Outbound {
  private written = 0;
  private taken = 0;
  private probedAt = 0;

  /** @param limitBytes beyond this much untaken, {@link stalled} is true. */
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
      () => undefined, // The connection broke; the next one starts afresh.
    );
  }

  /** A new connection: the old buffer is gone with the old one. */
  restart(): void {
    this.taken = this.written;
    this.probedAt = this.written;
  }
}
