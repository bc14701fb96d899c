import type { Device } from '../commit/user.js';
import { deliveries, kicks } from '../metrics.js';
import { SequencedStream, type Line } from './sequenced-stream.js';

export type Send = (gateway: string, payload: string) => void;

/** For how long after the last word a gateway is reminded of it, milliseconds. */
const REMIND_MS = 60_000;
/** After this silence the talk is forgotten, milliseconds. Should it begin anew, the gateway re-syncs. */
const FORGET_MS = 600_000;

/**
 * What gateways are to be told, collected until {@link flush}: one numbered message per gateway then, whatever it holds.
 * Numbers have no holes, so a gateway that misses one knows; a tick each second repeats the last.
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

  /** A session whose epoch is not the device's (undefined: unknown) is over; says what ended it. */
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

  /** For what is said outside a transaction: together with the rest of this turn of the event loop. */
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
