import type { ErrorFrame, InvalidReceipt, NormalReceipt } from '@huizhi/protocol/client';
import { fullJitter } from './backoff.js';
import { frameDigest } from './content-hash.js';
import { ClientIdInUseError, OutboxFullError, SendRefusedError, SendUnknownError } from './errors.js';
import { isLate } from './late.js';
import type { Observer } from './observer.js';
import type { Settings } from './settings.js';
import { Outgoing, OutLane, type Restored } from './outgoing.js';
import type { FrameRate } from './rate.js';
import type { UnsettledStore } from './store.js';

/** The connection, as the outbox uses it. */
export interface Wire {
  sendText(json: string): void;
  /** Requests a new connection, because this one no longer answers sends. */
  restart(reason: string): void;
}

/** Persistence of unsettled messages beyond the program, if there is any. */
export interface Keeping {
  store: UnsettledStore | undefined;
  failed(error: unknown): void;
}

const SWEEP_MS = 250;
/** Half of the gateway's limit per session in bytes; unlike the limit in messages, the login does not report it. */
const MAX_UNANSWERED_BYTES = 1024 * 1024;

/**
 * Holds messages from `send` to their receipt. Sends are pipelined and keep the order within a conversation: after a
 * temporary error the refused message and all later ones are sent again in order, and the server refuses messages that
 * would overtake (`resendInOrder`). Conversations take turns, so a refused one does not block others.
 */
export class Outbox {
  private readonly byId = new Map<string, Outgoing>();
  private readonly lanes = new Map<string, OutLane>();
  private turn: OutLane[] = [];
  private wire: Wire | undefined;
  private unanswered = 0;
  private unansweredBytes = 0;
  private unansweredLimit = 0;
  private sweeper: ReturnType<typeof setInterval> | undefined;
  private sweptAt = 0;
  private sweptLate = false;
  private later: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly settings: Settings,
    private readonly observe: Observer,
    private readonly rate: FrameRate,
    private readonly keeping: Keeping,
  ) {}

  get size(): number {
    return this.byId.size;
  }

  /**
   * Adds a message; the next {@link pump} writes it.
   * @param bytes length of `json` in UTF-8
   * @throws OutboxFullError, ClientIdInUseError
   */
  reserve(clientMsgID: string, lane: string, json: string, bytes: number): Outgoing {
    const same = this.byId.get(clientMsgID);
    if (same) {
      if (same.is(lane, json)) return same;
      throw new ClientIdInUseError(clientMsgID);
    }
    const { outbox } = this.settings.bounds;
    if (this.byId.size >= outbox) throw new OutboxFullError(outbox);
    const entry = this.enter(clientMsgID, lane, json, bytes);
    if (this.keeping.store) this.keep(entry, this.keeping.store);
    else this.queue(this.laneFor(lane));
    return entry;
  }

  /** Adds the messages of the store. An earlier run may have written them, so they count as written. */
  restore(): Restored[] {
    return (this.keeping.store?.list() ?? []).map(({ clientMsgID, lane, json }) => {
      const entry = this.enter(clientMsgID, lane, json, new TextEncoder().encode(json).length);
      entry.everWritten = true;
      this.queue(this.laneFor(lane));
      const frame = JSON.parse(json) as Record<string, unknown>;
      this.observe({ ev: 'invoke', clientMsgID, target: lane, hash: frameDigest(frame) });
      return { clientMsgID, receipt: entry.receipt, frame };
    });
  }

  private enter(clientMsgID: string, lane: string, json: string, bytes: number): Outgoing {
    const { deadlineMs } = this.settings.timings;
    const deadline = deadlineMs === 0 ? Infinity : performance.now() + deadlineMs;
    const entry = new Outgoing(clientMsgID, lane, json, bytes, deadline);
    this.byId.set(clientMsgID, entry);
    this.laneFor(lane).entries.push(entry);
    if (this.sweeper === undefined) {
      this.sweptAt = performance.now();
      this.sweeper = setInterval(() => this.sweep(), SWEEP_MS);
    }
    return entry;
  }

  private keep(entry: Outgoing, store: UnsettledStore): void {
    entry.held = true;
    store.keep(entry).then(
      () => {
        entry.held = false;
        if (this.byId.get(entry.clientMsgID) !== entry) return;
        this.queue(this.laneFor(entry.lane));
        this.pump();
      },
      (error: unknown) => {
        this.keeping.failed(error);
        if (this.byId.get(entry.clientMsgID) === entry) this.giveUp(entry, 'the store failed');
      },
    );
  }

  /**
   * Removes a message after its final answer. If the program ends before the store has removed it, the restart repeats
   * it and gets the same answer.
   */
  private settle(entry: Outgoing): void {
    this.remove(entry);
    this.keeping.store?.settled(entry.clientMsgID).catch((error: unknown) => this.keeping.failed(error));
  }

  /** Sends all unsettled messages in order after a login. */
  online(wire: Wire, limits: { unansweredSends: number }): void {
    this.wire = wire;
    this.unanswered = this.unansweredBytes = 0;
    this.unansweredLimit = Math.max(1, limits.unansweredSends);
    for (const lane of this.lanes.values()) {
      this.unpause(lane);
      lane.next = 0;
      for (const entry of lane.entries) {
        entry.inFlight = false;
        entry.unanswered = 0;
      }
      this.queue(lane);
    }
    this.pump();
  }

  offline(): void {
    this.wire = undefined;
    clearTimeout(this.later);
    this.later = undefined;
  }

  stored(receipt: NormalReceipt): void {
    const entry = this.answered(receipt.clientMsgID);
    if (receipt.clientMsgID !== undefined) {
      const { clientMsgID, messageID, conversationID, seq, serverTime } = receipt;
      this.observe({ ev: 'ok', clientMsgID, messageID, conversation: conversationID, seq, serverTime });
    }
    if (entry) {
      this.laneFor(entry.lane).refusals = 0;
      this.settle(entry);
      entry.resolve(receipt);
    }
    this.pump();
  }

  refused(answer: InvalidReceipt | ErrorFrame): void {
    const entry = this.answered(answer.clientMsgID);
    if (entry) {
      if (answer.messageType === 'error' && answer.temporary) this.retry(entry);
      else this.fail(entry, new SendRefusedError(answer.code, answer.name, answer.reason));
    }
    this.pump();
  }

  /** Rejects all unsettled messages with SendUnknownError. */
  abandon(why: string): void {
    this.offline();
    for (const entry of [...this.byId.values()]) this.giveUp(entry, why);
  }

  private answered(clientMsgID: string | undefined): Outgoing | undefined {
    this.unanswered = Math.max(0, this.unanswered - 1);
    const entry = clientMsgID === undefined ? undefined : this.byId.get(clientMsgID);
    if (entry && entry.unanswered > 0) {
      entry.unanswered--;
      this.unansweredBytes -= entry.bytes;
    }
    return entry;
  }

  private retry(entry: Outgoing): void {
    // This answers an earlier copy; the answer to the latest copy will follow.
    if (entry.inFlight && entry.unanswered > 0) return;
    const lane = this.laneFor(entry.lane);
    lane.rewind(entry);
    if (lane.pause !== undefined) return;
    const { baseMs, maxMs } = this.settings.timings.resend;
    const half = { baseMs: baseMs / 2, maxMs: maxMs / 2 };
    // Half fixed, half random: a minimum delay protects an overloaded server.
    const delay =
      Math.min(half.maxMs, half.baseMs * 2 ** Math.min(lane.refusals, 30)) + fullJitter(half, lane.refusals);
    lane.refusals++;
    lane.pause = setTimeout(() => {
      lane.pause = undefined;
      this.queue(lane);
      this.pump();
    }, delay);
  }

  /** Writes as many messages as the limits allow. */
  pump(): void {
    while (this.wire && this.turn.length > 0 && this.hasRoom()) {
      const lane = this.turn[0] as OutLane;
      if (lane.ready && !this.rate.take(performance.now())) return this.pumpLater();
      this.turn.shift();
      lane.queued = false;
      if (!lane.ready) continue;
      this.write(lane.entries[lane.next++] as Outgoing);
      this.queue(lane);
    }
  }

  private hasRoom(): boolean {
    return this.unanswered < this.unansweredLimit && this.unansweredBytes < MAX_UNANSWERED_BYTES;
  }

  private pumpLater(): void {
    this.later ??= setTimeout(() => {
      this.later = undefined;
      this.pump();
    }, this.rate.waitMs + 1);
  }

  private write(entry: Outgoing): void {
    entry.inFlight = true;
    entry.everWritten = true;
    entry.unanswered++;
    entry.writtenAt = performance.now();
    this.unanswered++;
    this.unansweredBytes += entry.bytes;
    this.wire?.sendText(entry.json);
  }

  private sweep(): void {
    const now = performance.now();
    if (this.wasHeldUp(now)) return;
    for (const entry of [...this.byId.values()]) {
      if (now >= entry.deadline) this.giveUp(entry, 'its deadline passed');
      else if (this.wire && entry.inFlight && now - entry.writtenAt >= this.settings.timings.answerMs) {
        // Second timeout: this connection accepts sends and answers none.
        if (entry.unanswered > 1) return this.wire.restart('a message was sent twice and never answered');
        const lane = this.laneFor(entry.lane);
        lane.rewind(entry);
        this.queue(lane);
      }
    }
    // Missing answers may have used up the limit, which only answers free.
    const silent = this.wire && this.turn.length > 0 && !this.hasRoom();
    if (silent && ![...this.byId.values()].some((entry) => entry.inFlight)) this.wire?.restart('answers are missing');
    else this.pump();
  }

  /**
   * Whether this sweep is the first late one. It decides nothing, because answers may have arrived and not been handled
   * yet; it restarts the time of all messages in flight.
   */
  private wasHeldUp(now: number): boolean {
    const late = isLate(this.sweptAt + SWEEP_MS, now);
    const first = late && !this.sweptLate;
    this.sweptAt = now;
    this.sweptLate = late;
    if (first) for (const entry of this.byId.values()) if (entry.inFlight) entry.writtenAt = now;
    return first;
  }

  private giveUp(entry: Outgoing, why: string): void {
    this.observe({ ev: 'unknown', clientMsgID: entry.clientMsgID, neverSent: !entry.everWritten });
    this.remove(entry);
    entry.reject(new SendUnknownError(entry.clientMsgID, !entry.everWritten, why));
  }

  private fail(entry: Outgoing, error: SendRefusedError): void {
    this.observe({ ev: 'fail', clientMsgID: entry.clientMsgID, code: error.code });
    this.settle(entry);
    entry.reject(error);
  }

  private remove(entry: Outgoing): void {
    this.byId.delete(entry.clientMsgID);
    this.unansweredBytes -= entry.bytes * entry.unanswered;
    entry.unanswered = 0;
    const lane = this.laneFor(entry.lane);
    lane.remove(entry);
    if (lane.entries.length === 0) {
      this.unpause(lane);
      this.lanes.delete(entry.lane);
    }
    if (this.byId.size === 0) {
      clearInterval(this.sweeper);
      this.sweeper = undefined;
    }
  }

  private queue(lane: OutLane): void {
    if (lane.queued || !lane.ready) return;
    lane.queued = true;
    this.turn.push(lane);
  }

  private unpause(lane: OutLane): void {
    clearTimeout(lane.pause);
    lane.pause = undefined;
  }

  private laneFor(key: string): OutLane {
    let lane = this.lanes.get(key);
    if (!lane) this.lanes.set(key, (lane = new OutLane()));
    return lane;
  }
}
