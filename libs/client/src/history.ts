import type { Delivery, ErrorFrame, HistoryReceipt } from '@huizhi/protocol/client';
import { checkInteger, checkObject } from './checks.js';
import { ClientClosedError, RequestRefusedError, RequestTimeoutError } from './errors.js';
import type { Settings } from './settings.js';
import type { FrameRate } from './rate.js';

export interface HistoryQuery {
  /** The newest messages below this `seq`; default: the newest of all. */
  beforeSeq?: number;
  /** The oldest messages above this `seq`. */
  afterSeq?: number;
  /** 1–200; the server may answer with fewer. */
  limit?: number;
}

export interface HistoryPage {
  conversationID: string;
  /** Ascending by `seq`. */
  messages: Delivery[];
  hasMore: boolean;
}

const MAX_PAGE = 200;

/** @throws TypeError that names the invalid field */
export function checkQuery(query: HistoryQuery): void {
  checkObject('the query', query);
  const { beforeSeq, afterSeq, limit } = query;
  if (beforeSeq !== undefined) checkInteger('beforeSeq', beforeSeq, 0);
  if (afterSeq !== undefined) checkInteger('afterSeq', afterSeq, 0);
  if (limit !== undefined) checkInteger('limit', limit, 1, MAX_PAGE);
}

interface Pending {
  frame: object;
  resolve(page: HistoryPage): void;
  reject(error: Error): void;
  timer: ReturnType<typeof setTimeout>;
  again?: ReturnType<typeof setTimeout>;
}

/** Maximum concurrent history requests of a session; the gateway refuses more. */
const AT_ONCE = 4;
const AGAIN_MS = 300;

/**
 * Sends history requests, at most {@link AT_ONCE} at a time and within the session's frame rate, and matches the
 * answers. Requests only read, so they are repeated after a reconnect until they time out.
 */
export class HistoryRequests {
  /** Pending requests by id, in the order of the calls. */
  private readonly pending = new Map<string, Pending>();
  /** Ids in flight, or waiting to be repeated after a temporary error; these keep their place. */
  private readonly asked = new Set<string>();
  private wire: ((frame: object) => void) | undefined;
  private later: ReturnType<typeof setTimeout> | undefined;
  private last = 0;

  constructor(
    private readonly settings: Settings,
    private readonly rate: FrameRate,
  ) {}

  /** Rejects with RequestTimeoutError, RequestRefusedError or ClientClosedError. */
  ask(target: object, query: HistoryQuery): Promise<HistoryPage> {
    const { bounds, timings } = this.settings;
    if (this.pending.size >= bounds.requests) {
      return Promise.reject(
        new RequestRefusedError(0, 'tooManyRequests', `${bounds.requests} requests are waiting already`),
      );
    }
    const requestID = `h${++this.last}`;
    const frame = { messageType: 'history', requestID, ...target, ...query };
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.forget(requestID);
        reject(new RequestTimeoutError('history', timings.historyMs));
      }, timings.historyMs);
      this.pending.set(requestID, { frame, resolve, reject, timer });
      this.pump();
    });
  }

  online(send: (frame: object) => void): void {
    this.wire = send;
    for (const { again } of this.pending.values()) clearTimeout(again);
    this.asked.clear();
    this.pump();
  }

  offline(): void {
    this.wire = undefined;
    clearTimeout(this.later);
    this.later = undefined;
  }

  answered({ requestID, conversationID, messages, hasMore }: HistoryReceipt): void {
    this.forget(requestID)?.resolve({ conversationID, messages, hasMore });
  }

  refused(requestID: string, { code, name, reason, temporary }: ErrorFrame): void {
    const pending = this.pending.get(requestID);
    if (!pending) return;
    if (!temporary) return this.forget(requestID)?.reject(new RequestRefusedError(code, name, reason));
    clearTimeout(pending.again);
    pending.again = setTimeout(() => {
      this.asked.delete(requestID);
      this.pump();
    }, AGAIN_MS);
  }

  close(why: string): void {
    this.offline();
    for (const requestID of [...this.pending.keys()]) this.forget(requestID)?.reject(new ClientClosedError(why));
  }

  private pump(): void {
    for (const [requestID, { frame }] of this.pending) {
      if (!this.wire || this.asked.size >= AT_ONCE) return;
      if (this.asked.has(requestID)) continue;
      if (!this.rate.take(performance.now())) return this.pumpLater();
      this.asked.add(requestID);
      this.wire(frame);
    }
  }

  private pumpLater(): void {
    this.later ??= setTimeout(() => {
      this.later = undefined;
      this.pump();
    }, this.rate.waitMs + 1);
  }

  private forget(requestID: string): Pending | undefined {
    const pending = this.pending.get(requestID);
    this.pending.delete(requestID);
    this.asked.delete(requestID);
    clearTimeout(pending?.timer);
    clearTimeout(pending?.again);
    this.pump();
    return pending;
  }
}
