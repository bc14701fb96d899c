import type { Delivery, ErrorFrame, HistoryReceipt } from '@huizhi/protocol/client';
import { ClientClosedError, RequestRefusedError, RequestTimeoutError } from './errors.js';
import type { Settings } from './options.js';

export interface HistoryQuery {
  /** The newest below this `seq`; default: the newest of all. */
  beforeSeq?: number;
  /** The oldest above this `seq`. */
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

interface Pending {
  frame: object;
  resolve(page: HistoryPage): void;
  reject(error: Error): void;
  timer: ReturnType<typeof setTimeout>;
  again?: ReturnType<typeof setTimeout>;
}

const AGAIN_MS = 300;

/** History requests and their answers. A request only reads, so it is repeated after a reconnect until it times out. */
export class HistoryRequests {
  private readonly pending = new Map<string, Pending>();
  private wire: ((frame: object) => void) | undefined;
  private last = 0;

  constructor(private readonly settings: Settings) {}

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
      this.wire?.(frame);
    });
  }

  online(send: (frame: object) => void): void {
    this.wire = send;
    for (const { frame } of this.pending.values()) send(frame);
  }

  offline(): void {
    this.wire = undefined;
  }

  answered({ requestID, conversationID, messages, hasMore }: HistoryReceipt): void {
    this.forget(requestID)?.resolve({ conversationID, messages, hasMore });
  }

  refused(requestID: string, { code, name, reason, temporary }: ErrorFrame): void {
    const pending = this.pending.get(requestID);
    if (!pending) return;
    if (!temporary) return this.forget(requestID)?.reject(new RequestRefusedError(code, name, reason));
    clearTimeout(pending.again);
    pending.again = setTimeout(() => this.wire?.(pending.frame), AGAIN_MS);
  }

  close(why: string): void {
    this.offline();
    for (const requestID of [...this.pending.keys()]) this.forget(requestID)?.reject(new ClientClosedError(why));
  }

  private forget(requestID: string): Pending | undefined {
    const pending = this.pending.get(requestID);
    this.pending.delete(requestID);
    clearTimeout(pending?.timer);
    clearTimeout(pending?.again);
    return pending;
  }
}
