import { decodeLines, inboxText, messageIdIn, type GatewayBatch } from '@huizhi/protocol';
import { declareFailpoints, failpoint, seededBug } from '@huizhi/runtime';
import { deliveries, resyncs } from '../metrics.js';
import type { LaneRegistration } from '../sessions/lane-registration.js';
import type { Session } from '../sessions/session.js';
import type { Sessions } from '../sessions/sessions.js';
import type { Cursors } from './cursors.js';
import { forVersion } from './for-version.js';
import type { CatchUpPump } from './catch-up-pump.js';
import { GapDetector } from './gap-detector.js';

declareFailpoints('gateway.before-events', 'gateway.before-delivery-write');
// A seeded bug that the history checker must find; see docs/decisions/crashes.md.
declareFailpoints('bug.delivered-at-push');

/** Processes messages from the owners of inbox lanes: live entries, stored cursors, heads and ended sessions. */
export class GatewayEvents {
  private readonly gaps = new GapDetector();

  constructor(
    private readonly sessions: Sessions,
    private readonly pump: CatchUpPump,
    private readonly cursors: Cursors,
    private readonly registration: LaneRegistration,
    private readonly now: () => number,
  ) {}

  receive(payload: Uint8Array): void {
    failpoint('gateway.before-events');
    const { head: batch, bodies } = decodeLines<GatewayBatch>(payload);
    if (this.gaps.hasGap(batch.from, batch.n, batch.tick === true)) {
      resyncs.add('hole');
      this.registration.attachAll(0);
    }
    for (const number of batch.kick ?? []) this.end(number, 'kicked');
    for (const number of batch.revoked ?? []) this.end(number, 'revoked');
    for (const [number, cursor, head] of batch.attached ?? []) this.attached(number, cursor, head);
    for (const [number, cursor] of batch.confirm ?? []) this.confirm(number, cursor);
    for (const [number, inboxSeq, line] of batch.deliver ?? []) this.deliver(number, inboxSeq, bodies[line]);
    // Last, so that a message whose processing throws counts as a gap and all sessions are attached again.
    this.gaps.received(batch.from, batch.n);
  }

  private end(number: number, why: 'kicked' | 'revoked'): void {
    const session = this.sessions.get(number);
    if (!session) return;
    session.endedBy ??= why;
    if (session.state === 'open') session.connection.close(why);
  }

  private attached(number: number, cursor: number, head: number): void {
    const session = this.sessions.get(number);
    if (session?.state !== 'open') return;
    this.registration.attached(session);
    session.inbox.noteHead(head);
    this.cursors.confirmed(session, cursor);
    this.pump.start(session);
  }

  private confirm(number: number, cursor: number): void {
    const session = this.sessions.get(number);
    if (session?.state === 'open') this.cursors.confirmed(session, cursor);
  }

  /** @param delivery undefined when the entry is void for this device */
  private deliver(number: number, inboxSeq: number, delivery: string | undefined): void {
    const session = this.sessions.get(number);
    if (!session) return;
    const isVoid = delivery === undefined;
    if (session.state !== 'open') return session.inbox.noteHead(inboxSeq, isVoid);
    const fate = session.inbox.live(inboxSeq, isVoid);
    if (fate === 'old') return;
    const hasRoom = isVoid || session.inbox.bytes.room(this.now()) > 0;
    if (fate === 'later' || session.connection.isBackpressured || !hasRoom) return this.pump.start(session);
    this.write(session, inboxSeq, delivery);
  }

  private write(session: Session, inboxSeq: number, delivery: string | undefined): void {
    const { inbox } = session;
    const previous = inbox.previous;
    if (delivery === undefined) {
      inbox.take(undefined, this.now());
      return this.cursors.moved(session);
    }
    failpoint('gateway.before-delivery-write');
    if (!inbox.take(messageIdIn(delivery), this.now(), Buffer.byteLength(delivery))) return;
    session.connection.write(inboxText(forVersion(session.identity.version, delivery), inboxSeq, previous));
    if (seededBug('bug.delivered-at-push')) {
      inbox.receiptUpTo(inboxSeq, this.now());
      this.cursors.moved(session);
    }
    this.cursors.piggyback(session);
    deliveries.add('live');
    this.pump.watch(session);
  }
}
