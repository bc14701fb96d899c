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
import type { Duty, Session } from '../session/session.js';
import type { Wheel } from '../time/wheel.js';
import type { Cursors } from './cursors.js';
import { FIRST_WITH_BATCHES, forVersion } from './for-version.js';

export interface PumpSettings {
  readonly BATCH_ENTRIES: number;
  readonly BATCH_BYTES: number;
  readonly FETCH_TIMEOUT: number;
}

/**
 * Catch-up: fetch, write, again, until the session is at its inbox's head, its window is shut or its socket is full. One run per session
 * at a time, and while it runs live entries only move the head; so the one `await` below is the only place where order could be lost,
 * and after it everything is looked at anew.
 *
 * Whatever opens the way starts it again: an entry beyond the next one, receipts, a socket that has drained, a timer for redelivery.
 */
export class Pump implements Duty {
  constructor(
    private readonly bus: Bus,
    private readonly cursors: Cursors,
    private readonly wheel: Wheel,
    private readonly settings: PumpSettings,
    private readonly now: () => number,
  ) {}

  /** If there is something to write and it runs not yet. */
  start(session: Session): void {
    const { inbox } = session;
    if (inbox.catchingUp || !this.mayGoOn(session)) return;
    inbox.catchingUp = true;
    void this.run(session);
  }

  /** Entries were written: sees to it that they are receipted in time. */
  watch(session: Session): void {
    this.wheel.arm(session, session.inbox.nextDue());
  }

  due(session: Session, now: number): number {
    const { inbox, connection } = session;
    if (inbox.isOverdue(now)) {
      connection.close('receiptOverdue');
      return Infinity;
    }
    if (inbox.isRedeliveryDue(now)) {
      // What a full socket holds back was not even seen yet.
      if (inbox.catchingUp || connection.isCrowded) return now + 1_000;
      inbox.rewind();
      this.start(session);
    }
    return inbox.nextDue();
  }

  private mayGoOn(session: Session): boolean {
    return session.state === 'open' && session.inbox.isBehind && !session.connection.isCrowded;
  }

  private async run(session: Session): Promise<void> {
    const backoff = new Backoff(50, 2_000);
    while (this.mayGoOn(session)) {
      if (await this.step(session)) backoff.reset();
      else await pause(backoff.next());
    }
    session.inbox.catchingUp = false;
  }

  /** False: it brought nothing. What fails is tried again for as long as the session lives. */
  private async step(session: Session): Promise<boolean> {
    const from = session.inbox.next;
    try {
      const reply = await this.fetch(session, from);
      if (session.state !== 'open' || session.inbox.next < from) return true;
      if (!reply.head.error) return this.write(session, reply);
      const { error } = reply.head;
      if (!errorTable[error].temporary) session.connection.close(error === 'tokenRevoked' ? 'revoked' : 'kicked');
    } catch {
      // No answer in time, nobody there, no bus: all the same from here.
    }
    return false;
  }

  private async fetch(session: Session, from: number): Promise<Lines<FetchReply>> {
    const request: FetchRequest = {
      ...session.name,
      from,
      limit: Math.min(this.settings.BATCH_ENTRIES, session.inbox.room),
      maxBytes: this.settings.BATCH_BYTES,
    };
    const subject = subjects.fetch(session.inboxLane);
    return decodeLines(
      await this.bus.request(subject, JSON.stringify(request), { timeoutMs: this.settings.FETCH_TIMEOUT }),
    );
  }

  /** Writes what the reply covers, as far as it fits. */
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

  /** Entries that the reply covers and does not name do not concern the device. */
  private takeVoid({ inbox }: Session, upTo: number): void {
    while (inbox.next <= upTo && inbox.room > 0) inbox.take(undefined, this.now());
  }

  private takeOne({ inbox, identity }: Session, inboxSeq: number, delivery: string | undefined, texts: string[]): void {
    const again = inboxSeq <= inbox.delivered;
    const previous = inbox.previous;
    if (!inbox.take(delivery === undefined ? undefined : messageIdIn(delivery), this.now())) return;
    if (delivery === undefined) return;
    texts.push(inboxText(forVersion(identity.version, delivery), inboxSeq, previous));
    deliveries.add(again ? 'again' : 'batch');
  }

  private send({ connection, identity }: Session, texts: readonly string[]): void {
    if (texts.length === 0) return;
    if (identity.version >= FIRST_WITH_BATCHES) connection.write(`[${texts.join(',')}]`);
    else for (const text of texts) connection.write(text);
  }
}
