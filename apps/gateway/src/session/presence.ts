import { subjects, type AttachBatch, type CloseBatch, type LaneNews } from '@huizhi/protocol';
import type { Bus } from '@huizhi/runtime';
import type { EndOfTurn, Flushable } from '../time/end-of-turn.js';
import type { Session, SessionName } from './session.js';
import type { Sessions } from './sessions.js';

/** Sessions in one bus message. */
const MAX_SESSIONS = 1_000;
/** Several reasons to attach everything within this time are one. */
const GATHER_MS = 50;

/**
 * Tells the owners of inbox lanes which sessions are here: those that end at once, all of them whenever something may have been missed.
 * The answers raise heads and name sessions that are over; so whatever the bus loses is mended by the next attachment.
 */
export class Presence implements Flushable {
  private readonly ended = new Map<number, SessionName[]>();
  private flushing = false;
  private attaching: NodeJS.Timeout | undefined;

  constructor(
    private readonly bus: Bus,
    private readonly gateway: string,
    private readonly sessions: Sessions,
    private readonly endOfTurn: EndOfTurn,
  ) {}

  /** A session is over; its owner need not send to it any more. */
  closed(session: Session): void {
    const lane = this.ended.get(session.inboxLane);
    if (lane) lane.push(session.name);
    else this.ended.set(session.inboxLane, [session.name]);
    if (this.flushing) return;
    this.flushing = true;
    this.endOfTurn.add(this);
  }

  flush(): void {
    this.flushing = false;
    for (const [lane, names] of this.ended) {
      for (const sessions of slices(names)) {
        const batch: CloseBatch = { gateway: this.gateway, sessions };
        this.bus.publish(subjects.close(lane), JSON.stringify(batch));
      }
    }
    this.ended.clear();
  }

  /** All sessions, soon; not at once, because other gateways have the same reason at the same time. */
  attachAll(withinMs = 200): void {
    this.attaching ??= setTimeout(
      () => {
        this.attaching = undefined;
        const lanes = new Set<number>();
        for (const session of this.sessions.all()) lanes.add(session.inboxLane);
        for (const lane of lanes) this.attachLane(lane);
      },
      GATHER_MS + Math.random() * withinMs,
    );
  }

  attachLane(inboxLane: number): void {
    const names: SessionName[] = [];
    for (const session of this.sessions.ofLane(inboxLane)) if (session.state === 'open') names.push(session.name);
    for (const sessions of slices(names)) {
      const batch: AttachBatch = { gateway: this.gateway, sessions };
      this.bus.publish(subjects.attach(inboxLane), JSON.stringify(batch));
    }
  }

  /** Somebody speaks of inbox lanes; who has just taken one does not know our sessions. Returns the lanes taken. */
  laneNews({ taken, lanes }: LaneNews): number[] {
    if (!taken) return [];
    for (const { lane } of lanes) this.attachLane(lane);
    return lanes.map(({ lane }) => lane);
  }

  stop(): void {
    clearTimeout(this.attaching);
  }
}

function* slices(names: readonly SessionName[]): Iterable<SessionName[]> {
  for (let from = 0; from < names.length; from += MAX_SESSIONS) yield names.slice(from, from + MAX_SESSIONS);
}
