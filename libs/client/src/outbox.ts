import type { ErrorFrame, InvalidReceipt, NormalReceipt } from '@huizhi/protocol';
import { fullJitter } from './backoff.js';
import { ClientIdInUseError, OutboxFullError, SendRefusedError, SendUnknownError } from './errors.js';
import type { Observer } from './observer.js';
import type { Settings } from './options.js';
import { Outgoing, OutLane } from './outgoing.js';
import { FrameRate } from './rate.js';

/** What the outbox needs of the connection. */
export interface Wire {
  sendText(json: string): void;
  /** Ask for a new connection: this one no longer answers sends. */
  restart(reason: string): void;
}

const SWEEP_MS = 250;

/**
 * Messages from `send` to their receipt. Within a conversation order is kept although sends are pipelined: after a
 * temporary error the refused message and everything behind it are sent again in order; the server refuses what would
 * overtake (`resendInOrder`). Conversations take turns, so one that is refused holds up no other.
 */
export class Outbox {
  private readonly byId = new Map<string, Outgoing>();
  private readonly lanes = new Map<string, OutLane>();
  private turn: OutLane[] = [];
  private wire: Wire | undefined;
  private unanswered = 0;
  private unansweredLimit = 0;
  private readonly rate = new FrameRate();
  private sweeper: ReturnType<typeof setInterval> | undefined;
  private later: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly settings: Settings,
    private readonly observe: Observer,
  ) {}

  get size(): number {
    return this.byId.size;
  }

  /** @throws OutboxFullError, ClientIdInUseError */
  add(clientMsgID: string, lane: string, json: string): Outgoing {
    const same = this.byId.get(clientMsgID);
    if (same) {
      if (same.lane === lane && same.json === json) return same;
      throw new ClientIdInUseError(clientMsgID);
    }
    const { bounds, timings } = this.settings;
    if (this.byId.size >= bounds.outbox) throw new OutboxFullError(bounds.outbox);
    const deadline = timings.deadlineMs === 0 ? Infinity : Date.now() + timings.deadlineMs;
    const entry = new Outgoing(clientMsgID, lane, json, deadline);
    this.byId.set(clientMsgID, entry);
    this.laneFor(lane).entries.push(entry);
    this.sweeper ??= setInterval(() => this.sweep(), SWEEP_MS);
    this.queue(this.laneFor(lane));
    this.pump();
    return entry;
  }

  /** A connection is logged in: everything unsettled is sent (again), in order. */
  online(wire: Wire, limits: { unansweredSends: number; framesPerSecond: number }): void {
    this.wire = wire;
    this.unanswered = 0;
    this.unansweredLimit = Math.max(1, limits.unansweredSends);
    this.rate.reset(limits.framesPerSecond, Date.now());
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
      this.remove(entry);
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

  /** Everything unsettled rejects with SendUnknownError. */
  abandon(why: string): void {
    this.offline();
    for (const entry of [...this.byId.values()]) this.giveUp(entry, why);
  }

  private answered(clientMsgID: string | undefined): Outgoing | undefined {
    this.unanswered = Math.max(0, this.unanswered - 1);
    const entry = clientMsgID === undefined ? undefined : this.byId.get(clientMsgID);
    if (entry) entry.unanswered = Math.max(0, entry.unanswered - 1);
    return entry;
  }

  private retry(entry: Outgoing): void {
    // An answer to an earlier copy: the one to the latest copy will follow.
    if (entry.inFlight && entry.unanswered > 0) return;
    const lane = this.laneFor(entry.lane);
    lane.rewind(entry);
    if (lane.pause !== undefined) return;
    const { baseMs, maxMs } = this.settings.timings.resend;
    const half = { baseMs: baseMs / 2, maxMs: maxMs / 2 };
    // Half fixed, half random: never at once, so that a struggling server is left in peace.
    const delay =
      Math.min(half.maxMs, half.baseMs * 2 ** Math.min(lane.refusals, 30)) + fullJitter(half, lane.refusals);
    lane.refusals++;
    lane.pause = setTimeout(() => {
      lane.pause = undefined;
      this.queue(lane);
      this.pump();
    }, delay);
  }

  private pump(): void {
    while (this.wire && this.turn.length > 0 && this.unanswered < this.unansweredLimit) {
      const lane = this.turn[0] as OutLane;
      if (lane.ready && !this.rate.take(Date.now())) return this.pumpLater();
      this.turn.shift();
      lane.queued = false;
      if (!lane.ready) continue;
      this.write(lane.entries[lane.next++] as Outgoing);
      this.queue(lane);
    }
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
    entry.writtenAt = Date.now();
    this.unanswered++;
    this.wire?.sendText(entry.json);
  }

  private sweep(): void {
    const now = Date.now();
    for (const entry of [...this.byId.values()]) {
      if (now >= entry.deadline) this.expire(entry);
      else if (this.wire && entry.inFlight && now - entry.writtenAt >= this.settings.timings.answerMs) {
        // A second silence: this connection takes sends and answers none.
        if (entry.unanswered > 1) return this.wire.restart('a message was sent twice and never answered');
        const lane = this.laneFor(entry.lane);
        lane.rewind(entry);
        this.queue(lane);
      }
    }
    // Silence may have used up the room that only answers give back.
    const silent = this.wire && this.turn.length > 0 && this.unanswered >= this.unansweredLimit;
    if (silent && ![...this.byId.values()].some((entry) => entry.inFlight)) this.wire?.restart('answers are missing');
    else this.pump();
  }

  private expire(entry: Outgoing): void {
    const lane = this.laneFor(entry.lane);
    // The server holds later ones back until this one is settled in this session; only a new session forgets that.
    const blocks = entry.everWritten && lane.refusals > 0 && lane.entries.length > 1;
    this.giveUp(entry, 'its deadline passed');
    if (blocks) this.wire?.restart('an unsettled message was given up');
  }

  private giveUp(entry: Outgoing, why: string): void {
    this.observe({ ev: 'unknown', clientMsgID: entry.clientMsgID, neverSent: !entry.everWritten });
    this.remove(entry);
    entry.reject(new SendUnknownError(entry.clientMsgID, !entry.everWritten, why));
  }

  private fail(entry: Outgoing, error: SendRefusedError): void {
    this.observe({ ev: 'fail', clientMsgID: entry.clientMsgID, code: error.code });
    this.remove(entry);
    entry.reject(error);
  }

  private remove(entry: Outgoing): void {
    this.byId.delete(entry.clientMsgID);
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
