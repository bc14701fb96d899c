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

/** What one bus message may carry, bytes. The server's default `max_payload`; batches are split at half of it. */
export const MAX_BUS_PAYLOAD = 1024 * 1024;

export interface BusOptions extends BusCredentials {
  /** The instance: unique among living processes, a single subject token. */
  readonly name: string;
  readonly log: Logger;
  /** How many requests may wait for their answers. Default 10,000. */
  readonly maxOutstandingRequests?: number;
  /** How much may be published and not taken by the server before publishing drops, bytes. Default 32 MiB. */
  readonly maxOutboundBytes?: number;
}

/**
 * Runs synchronously in the socket's read path: no promise, no allocation that is not needed.
 * The payload may be kept. What it throws is logged and counted.
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
 * The hot path's own connection to NATS.
 *
 * Core NATS and nothing else: a payload may be lost, and while there is no connection it is dropped, not buffered. Whoever needs
 * more repeats until answered; the truth is in PostgreSQL. Subscriptions outlive every restart of the server.
 */
export class Bus {
  private readonly interests = new Set<Interest>();
  private readonly statusListeners = new Set<(connected: boolean) => void>();
  private readonly requests: Requests;
  private readonly outbound: Outbound;
  private readonly link: Link;
  private readonly log: Logger;

  /** Returns at once; the connection is made in the background and kept for ever. */
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

  /** `ok`, or why it is not connected, with the variable to mend when the server refuses the credentials. */
  get problem(): string {
    return this.link.problem;
  }

  /** Resolves once connected. @throws TimeoutError after `timeoutMs` milliseconds. */
  ready(timeoutMs = 10_000): Promise<void> {
    if (this.connected) return Promise.resolve();
    let stop = (): void => undefined;
    const up = new Promise<void>((resolve) => {
      stop = this.onStatus((connected) => connected && resolve());
    });
    return withTimeout(up, timeoutMs, 'connecting to the bus').finally(stop);
  }

  /**
   * Sends, or drops and counts when there is no connection or the server stalls. True if it was sent, which is no promise of arrival.
   * @throws BusPayloadTooLargeError
   */
  publish(subject: string, payload: string | Uint8Array): boolean {
    return this.send(subject, payload, undefined);
  }

  /** Answers a request; `reply` is what its handler was given. */
  respond(reply: string, payload: string | Uint8Array): boolean {
    return this.send(reply, payload, undefined);
  }

  /** With `queue`, one member of the group gets each payload. */
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
   * Called each time the connection is there, the first time included, after the subscriptions: what was published before
   * may be lost, so announce and ask again. Returns what ends it.
   */
  onReconnect(listener: () => void): () => void {
    return this.onStatus((connected) => connected && listener());
  }

  /** Called with each change of {@link connected}. Returns what ends it. */
  onStatus(listener: (connected: boolean) => void): () => void {
    this.statusListeners.add(listener);
    return () => this.statusListeners.delete(listener);
  }

  /** Stops receiving, lets what is published leave, closes; at most `boundMs` milliseconds. For the end of the process. */
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
    // One that is closed or about to be takes nothing more; the next one gets all interests.
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
