import {
  decodeLines,
  errorTable,
  inboxText,
  messageIdIn,
  subjects,
  type FetchReply,
  type FetchRequest,
  type Lines,
} from '@huizhi/protocol';
import { Backoff, failpoint, pause, type Bus } from '@huizhi/runtime';
import { deliveries } from '../metrics.js';
import type { SessionTask, Session } from '../sessions/session.js';
import type { TimingWheel } from '../timing/timing-wheel.js';
import type { Cursors } from './cursors.js';
import { FIRST_WITH_BATCHES, forVersion } from './for-version.js';

export interface PumpSettings {
  readonly HZ_BATCH_ENTRIES: number;
  readonly HZ_BATCH_BYTES: number;
  readonly HZ_FETCH_TIMEOUT: number;
}

/**
 * Catch-up: fetches and writes batches until the session is at its head, its window is full or its socket is blocked.
 * At most one run per session; while it runs, live entries only raise the head. State may change only during the
 * fetch, so it is checked again after each fetch.
 *
 * A run starts after an entry beyond the next one, receipts, a drained socket or a redelivery timer.
 */
export class CatchUpPump implements SessionTask {
  constructor(
    private readonly bus: Bus,
    private readonly cursors: Cursors,
    private readonly wheel: TimingWheel,
    private readonly settings: PumpSettings,
    private readonly now: () => number,
  ) {}

  /** Starts a run unless one is active or no entry may be written. */
  start(session: Session): void {
    const { inbox } = session;
    if (inbox.catchingUp) return;
    if (!this.mayGoOn(session)) return this.watch(session);
    inbox.catchingUp = true;
    void this.run(session);
  }

  /** The socket has drained; the bytes that waited for it can arrive only from now on. */
  drained(session: Session): void {
    session.inbox.bytes.movedAt = this.now();
    this.start(session);
  }

  /** Entries were written or receipted: arms the timer for their receipts. */
  watch(session: Session): void {
    const at = session.inbox.nextDue(this.now());
    if (at !== Infinity) this.wheel.arm(session, at);
  }

  due(session: Session, now: number): number {
    const { inbox, connection } = session;
    if (inbox.isOverdue(now)) {
      connection.close('receiptOverdue');
      return Infinity;
    }
    if (inbox.isRedeliveryDue(now)) {
      // Bytes still buffered in this process are not in transit yet, so their receipts cannot be late.
      if (inbox.catchingUp || connection.bufferedBytes > 0) return now + 1_000;
      inbox.rewind(now);
    }
    if (inbox.isBehind) this.start(session);
    return inbox.nextDue(now);
  }

  private mayGoOn(session: Session): boolean {
    const { inbox, connection } = session;
    if (session.state !== 'open' || !inbox.isBehind || connection.isBackpressured) return false;
    const now = this.now();
    if (inbox.isRepeating) return true;
    if (now < inbox.bytes.batchAt) {
      inbox.heldBack(now);
      return false;
    }
    if (inbox.bytes.batchBytes(now) < this.settings.HZ_BATCH_BYTES) inbox.bytes.limits();
    return true;
  }

  private async run(session: Session): Promise<void> {
    const backoff = new Backoff(50, 2_000);
    while (this.mayGoOn(session)) {
      if (await this.step(session)) backoff.reset();
      else await pause(backoff.next());
    }
    session.inbox.catchingUp = false;
    this.watch(session);
  }

  /**
   * Fetches and writes one batch. Failures are retried as long as the session is open.
   * @returns false when no entry was processed
   */
  private async step(session: Session): Promise<boolean> {
    const from = session.inbox.next;
    try {
      const reply = await this.fetch(session, from);
      if (session.state !== 'open' || session.inbox.next < from) return true;
      const moved = session.inbox.next > from;
      if (!reply.head.error) return this.write(session, reply) || moved;
      const { error } = reply.head;
      if (!errorTable[error].temporary) session.connection.close(error === 'tokenRevoked' ? 'revoked' : 'kicked');
    } catch {
      // A timeout, no responder or no bus: each is retried.
    }
    return false;
  }

  private async fetch(session: Session, from: number): Promise<Lines<FetchReply>> {
    const { batchRoom, bytes } = session.inbox;
    const request: FetchRequest = {
      ...session.name,
      from,
      limit: Math.min(this.settings.HZ_BATCH_ENTRIES, batchRoom),
      maxBytes: Math.min(this.settings.HZ_BATCH_BYTES, bytes.batchBytes(this.now())),
    };
    const subject = subjects.fetch(session.inboxLane);
    return decodeLines(
      await this.bus.request(subject, JSON.stringify(request), { timeoutMs: this.settings.HZ_FETCH_TIMEOUT }),
    );
  }

  /** Processes the entries that the reply covers, as far as the window allows. */
  private write(session: Session, { head: reply, bodies }: Lines<FetchReply>): boolean {
    failpoint('gateway.before-delivery-write');
    const { inbox } = session;
    const from = inbox.next;
    const texts: string[] = [];
    inbox.noteHead(reply.head);
    for (const [inboxSeq, line] of reply.entries) {
      this.takeVoid(session, inboxSeq - 1);
      if (inboxSeq !== inbox.next || inbox.room <= 0) continue;
      this.takeOne(session, inboxSeq, bodies[line], texts);
    }
    this.takeVoid(session, reply.upTo);
    this.send(session, texts);
    this.cursors.moved(session);
    this.watch(session);
    return inbox.next > from;
  }

  /** Entries that the reply covers but does not contain are void for this device. */
  private takeVoid({ inbox }: Session, upTo: number): void {
    while (inbox.next <= upTo && inbox.room > 0) inbox.take(undefined, this.now());
  }

  private takeOne({ inbox, identity }: Session, inboxSeq: number, delivery: string | undefined, texts: string[]): void {
    const again = inboxSeq <= inbox.delivered;
    const previous = inbox.previous;
    if (delivery === undefined) return void inbox.take(undefined, this.now());
    if (!inbox.take(messageIdIn(delivery), this.now(), Buffer.byteLength(delivery))) return;
    texts.push(inboxText(forVersion(identity.version, delivery), inboxSeq, previous));
    deliveries.add(again ? 'again' : 'batch');
  }

  private send({ connection, identity }: Session, texts: readonly string[]): void {
    if (texts.length === 0) return;
    if (identity.version >= FIRST_WITH_BATCHES) connection.write(`[${texts.join(',')}]`);
    else for (const text of texts) connection.write(text);
  }
}
