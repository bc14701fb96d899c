import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node';
import { subjects } from '@huizhi/protocol';
import { withTimeout } from '../deferred.js';
import type { Logger } from '../log/logger.js';
import { rateLimited } from '../log/rate-limited.js';
import { BusDisconnectedError, BusPayloadTooLargeError } from './errors.js';
import { Link } from './link.js';
import { dropped, handlerErrors, published, received, requestOutcomes } from './metrics.js';
import { busUser, type BusCredentials } from './nats-url.js';
import { Outbound } from './outbound.js';
import { Requests } from './requests.js';

/** Limit of one bus message in bytes: the server's default `max_payload`. Batches are split at half of it. */
export const MAX_BUS_PAYLOAD = 1024 * 1024;

export interface BusOptions extends BusCredentials {
  /** Instance id: unique among live processes, a single subject token. */
  readonly name: string;
  readonly log: Logger;
  /** Limit of requests in flight. Default 10,000. */
  readonly maxOutstandingRequests?: number;
  /** Limit of published bytes that the server has not yet accepted; above it `publish` drops. Default 32 MiB. */
  readonly maxOutboundBytes?: number;
}

/**
 * Runs synchronously in the socket's read path, so it must not wait or allocate without need. The payload may be kept.
 * Errors are logged and counted.
 */
export type BusHandler = (payload: Uint8Array, subject: string, reply: string | undefined) => void;

export interface BusSubscription {
  unsubscribe(): void;
}

interface Interest {
  readonly subject: string;
  readonly queue: string | undefined;
  readonly callback: (error: Error | null, message: Msg) => void;
  live: Subscription | undefined;
}

/**
 * The connection of the process to NATS, for the hot path and for the control plane.
 *
 * It uses core NATS only. A payload may be lost, and while disconnected payloads are dropped, not buffered. A caller
 * that needs an answer repeats its message; the authoritative data is in PostgreSQL. Subscriptions survive restarts of
 * the server.
 */
export class Bus {
  private readonly interests = new Set<Interest>();
  private readonly statusListeners = new Set<(connected: boolean) => void>();
  private readonly requests: Requests;
  private readonly outbound: Outbound;
  private readonly link: Link;
  private readonly log: Logger;

  /** Returns at once. The connection is made in the background and kept until {@link drain}. */
  static connect(options: BusOptions): Bus {
    return new Bus(options);
  }

  private constructor(options: BusOptions) {
    this.log = rateLimited(options.log);
    this.requests = new Requests(
      subjects.replies(busUser(options), options.name),
      options.maxOutstandingRequests ?? 10_000,
    );
    this.outbound = new Outbound(options.maxOutboundBytes ?? 32 * MAX_BUS_PAYLOAD, MAX_BUS_PAYLOAD);
    this.addInterest(this.requests.inbox, undefined, (message) =>
      this.requests.answered(message.subject, message.data, message.data.length === 0 && message.headers?.code === 503),
    );
    this.link = new Link(
      options,
      (client) => this.opened(client),
      (up) => this.changed(up),
    );
  }

  get connected(): boolean {
    return this.link.connection !== undefined;
  }

  /** `ok`, or why the bus is not connected. Names the variable to fix when the server refuses the credentials. */
  get problem(): string {
    return this.link.problem;
  }

  /** Resolves once connected. @throws TimeoutError after `timeoutMs` milliseconds */
  ready(timeoutMs = 10_000): Promise<void> {
    if (this.connected) return Promise.resolve();
    let stop = (): void => undefined;
    const up = new Promise<void>((resolve) => {
      stop = this.onStatus((connected) => connected && resolve());
    });
    return withTimeout(up, timeoutMs, 'connecting to the bus').finally(stop);
  }

  /**
   * Sends the payload; drops and counts it when the bus is disconnected or the server stalls.
   * @returns whether it was sent, which does not guarantee its arrival
   * @throws BusPayloadTooLargeError
   */
  publish(subject: string, payload: string | Uint8Array): boolean {
    return this.send(subject, payload, undefined);
  }

  /** Answers a request. `reply` is the reply subject that the handler got. */
  respond(reply: string, payload: string | Uint8Array): boolean {
    return this.send(reply, payload, undefined);
  }

  /** With `queue`, one member of the queue group gets each payload. */
  subscribe(subject: string, handler: BusHandler, options: { readonly queue?: string } = {}): BusSubscription {
    const interest = this.addInterest(subject, options.queue, (message) => {
      received.inc();
      const outcome: unknown = handler(message.data, message.subject, message.reply || undefined);
      if (outcome instanceof Promise) outcome.catch((error: unknown) => this.handlerFailed(subject, error));
    });
    return {
      unsubscribe: () => {
        this.interests.delete(interest);
        interest.live?.unsubscribe();
      },
    };
  }

  /** @throws a BusRequestError: BusTimeoutError, BusNoRespondersError, BusDisconnectedError or BusOverloadedError. */
  request(subject: string, payload: string | Uint8Array, options: { readonly timeoutMs: number }): Promise<Uint8Array> {
    if (!this.connected) {
      requestOutcomes.inc({ outcome: 'disconnected' });
      return Promise.reject(new BusDisconnectedError(`no connection for ${subject}`));
    }
    return this.requests.open(subject, options.timeoutMs, (reply) => this.send(subject, payload, reply));
  }

  /**
   * Called after each connect, also the first, when the subscriptions are made. Payloads published before may be lost,
   * so announce and request again.
   * @returns a function that removes the listener
   */
  onReconnect(listener: () => void): () => void {
    return this.onStatus((connected) => connected && listener());
  }

  /** Called after each change of {@link connected}. @returns a function that removes the listener */
  onStatus(listener: (connected: boolean) => void): () => void {
    this.statusListeners.add(listener);
    return () => this.statusListeners.delete(listener);
  }

  /**
   * Stops receiving, sends what was published, and closes, in at most `boundMs` milliseconds. For the end of the
   * process.
   */
  async drain(boundMs = 2_000): Promise<void> {
    await this.link.close(boundMs);
    this.requests.abandon();
  }

  private send(subject: string, payload: string | Uint8Array, reply: string | undefined): boolean {
    const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
    if (bytes.length > MAX_BUS_PAYLOAD) throw new BusPayloadTooLargeError(subject, bytes.length, MAX_BUS_PAYLOAD);
    const client = this.link.connection;
    if (!client || client.isClosed() || client.isDraining()) {
      dropped.inc({ reason: 'disconnected' });
      return false;
    }
    if (this.outbound.stalled) {
      dropped.inc({ reason: 'stalled' });
      return false;
    }
    client.publish(subject, bytes, reply === undefined ? undefined : { reply });
    this.outbound.wrote(client, bytes.length);
    published.inc();
    return true;
  }

  private addInterest(subject: string, queue: string | undefined, handle: (message: Msg) => void): Interest {
    const callback = (error: Error | null, message: Msg): void => {
      if (error) return this.log.error('bus.subscription-refused', { subject, error });
      try {
        handle(message);
      } catch (thrown) {
        this.handlerFailed(subject, thrown);
      }
    };
    const interest: Interest = { subject, queue, callback, live: undefined };
    this.interests.add(interest);
    const client = this.link?.client;
    // A client that is closed or draining accepts no subscription; the next client gets all interests.
    if (client && !client.isClosed() && !client.isDraining()) this.subscribeOn(client, interest);
    return interest;
  }

  private opened(client: NatsConnection): void {
    for (const interest of this.interests) this.subscribeOn(client, interest);
  }

  private subscribeOn(client: NatsConnection, interest: Interest): void {
    interest.live = client.subscribe(interest.subject, {
      callback: interest.callback,
      ...(interest.queue === undefined ? {} : { queue: interest.queue }),
    });
  }

  private changed(up: boolean): void {
    if (up) this.outbound.restart();
    for (const listener of [...this.statusListeners]) {
      try {
        listener(up);
      } catch (error) {
        this.handlerFailed('connection status', error);
      }
    }
  }

  private handlerFailed(subject: string, error: unknown): void {
    handlerErrors.inc();
    this.log.error('bus.handler-failed', { subject, error });
  }
}
