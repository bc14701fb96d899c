import type { Device } from '../commit/user.js';
import { deliveries, kicks } from '../metrics.js';
import { SequencedStream, type Line } from './sequenced-stream.js';

export type Send = (gateway: string, payload: string) => void;

/** Ticks are sent for this long after the last message to a gateway, in milliseconds. */
const REMIND_MS = 60_000;
/** A stream without messages for this long is dropped, in milliseconds. A new stream makes the gateway re-sync. */
const FORGET_MS = 600_000;

/**
 * Collects what gateways must receive until {@link flush}, which sends one numbered message per gateway. The numbers
 * have no holes, so a gateway detects a lost message; a tick each second repeats the last number.
 */
export class GatewayPublisher {
  private readonly streams = new Map<string, SequencedStream>();
  private readonly pending = new Set<SequencedStream>();
  private scheduled: NodeJS.Immediate | undefined;

  constructor(
    private readonly from: string,
    private readonly send: Send,
  ) {}

  /** A new entry; without a line it is void for this session's device. */
  deliver(gateway: string, session: number, inboxSeq: number, line: Line | undefined): void {
    this.to(gateway).deliver(session, inboxSeq, line);
    deliveries.inc();
  }

  confirm(gateway: string, session: number, cursor: number): void {
    this.to(gateway).confirm(session, cursor);
  }

  kick(gateway: string, session: number): void {
    this.to(gateway).kick(session);
    kicks.inc();
  }

  revoked(gateway: string, session: number): void {
    this.to(gateway).revoked(session);
    kicks.inc();
  }

  /**
   * Ends a session whose epoch is not its device's epoch, as revoked or as kicked. `device` is undefined when unknown.
   */
  over(gateway: string, { session, epoch }: { session: number; epoch: number }, device: Device | undefined): void {
    if (device && epoch < device.revokedEpoch) this.revoked(gateway, session);
    else this.kick(gateway, session);
  }

  attached(gateway: string, session: number, cursor: number, head: number): void {
    this.to(gateway).attached(session, cursor, head);
  }

  flush(now = performance.now()): void {
    clearImmediate(this.scheduled);
    this.scheduled = undefined;
    for (const stream of this.pending) stream.flush(now);
    this.pending.clear();
  }

  /** Flushes at the end of this turn of the event loop; for messages outside a transaction. */
  flushSoon(): void {
    this.scheduled ??= setImmediate(() => this.flush());
  }

  tick(now = performance.now()): void {
    for (const [gateway, stream] of this.streams) {
      const silence = now - stream.sentAt;
      if (silence > FORGET_MS) this.streams.delete(gateway);
      else if (silence < REMIND_MS && !this.pending.has(stream)) stream.tick();
    }
  }

  stop(): void {
    this.flush();
  }

  private to(gateway: string): SequencedStream {
    let stream = this.streams.get(gateway);
    if (!stream) {
      stream = new SequencedStream(this.from, (payload) => this.send(gateway, payload));
      this.streams.set(gateway, stream);
    }
    this.pending.add(stream);
    return stream;
  }
}
