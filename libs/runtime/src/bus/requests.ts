import { randomBytes } from 'node:crypto';
import { BusNoRespondersError, BusOverloadedError, BusTimeoutError, type BusRequestError } from './errors.js';
import { requestOutcomes } from './metrics.js';

interface Waiting {
  resolve(reply: Uint8Array): void;
  reject(error: BusRequestError): void;
  readonly timer: NodeJS.Timeout;
  readonly subject: string;
}

/**
 * The requests of the process that wait for replies. Uses one inbox subscription and a map: a request of the client
 * library costs four to five times as much.
 */
export class Requests {
  private readonly waiting = new Map<string, Waiting>();
  private count = 0;
  /** Distinguishes this process from an earlier one with the same instance id, whose replies must not match. */
  private readonly boot = randomBytes(4).toString('hex');
  private readonly prefix: string;

  /** @param inbox the inbox of the process; it receives only its own replies */
  constructor(
    inbox: string,
    private readonly limit: number,
  ) {
    this.prefix = `${inbox}.`;
  }

  /** The subject that the process subscribes to, once. */
  get inbox(): string {
    return `${this.prefix}*`;
  }

  get outstanding(): number {
    return this.waiting.size;
  }

  /** @throws BusOverloadedError (as a rejection) above the limit, without calling `send` */
  open(subject: string, timeoutMs: number, send: (reply: string) => void): Promise<Uint8Array> {
    if (this.waiting.size >= this.limit) {
      requestOutcomes.inc({ outcome: 'overloaded' });
      return Promise.reject(new BusOverloadedError(`${this.limit} requests are waiting already`));
    }
    this.count += 1;
    const id = `${this.boot}-${this.count}`;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.expire(id, timeoutMs), timeoutMs);
      this.waiting.set(id, { resolve, reject, timer, subject });
      try {
        send(this.prefix + id);
      } catch (error) {
        this.take(id);
        throw error;
      }
    });
  }

  answered(replySubject: string, payload: Uint8Array, noResponders: boolean): void {
    const waiting = this.take(replySubject.slice(this.prefix.length));
    if (!waiting) return; // Too late: the request has timed out.
    requestOutcomes.inc({ outcome: noResponders ? 'no_responders' : 'answered' });
    if (noResponders) waiting.reject(new BusNoRespondersError(`${waiting.subject} has no subscriber`));
    else waiting.resolve(payload);
  }

  /** Rejects all waiting requests when the bus is closed. */
  abandon(): void {
    for (const id of [...this.waiting.keys()]) {
      this.take(id)?.reject(new BusTimeoutError('the bus was closed before the answer'));
    }
  }

  private expire(id: string, timeoutMs: number): void {
    const waiting = this.take(id);
    if (!waiting) return;
    requestOutcomes.inc({ outcome: 'timeout' });
    waiting.reject(new BusTimeoutError(`no answer from ${waiting.subject} in ${timeoutMs} ms`));
  }

  private take(id: string): Waiting | undefined {
    const waiting = this.waiting.get(id);
    if (!waiting) return undefined;
    this.waiting.delete(id);
    clearTimeout(waiting.timer);
    return waiting;
  }
}
