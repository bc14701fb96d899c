import { connect, errors, type NatsConnection } from '@nats-io/transport-node';
import { Backoff, pause } from '../backoff.js';
import { withTimeout } from '../deferred.js';
import type { Logger } from '../log/logger.js';
import { rateLimited } from '../log/rate-limited.js';
import { connections } from './metrics.js';
import { credentialsVariable, natsServers, type BusCredentials } from './nats-url.js';

export interface LinkOptions extends BusCredentials {
  /** Shown in the server's monitoring. */
  readonly name: string;
  readonly log: Logger;
}

/**
 * Keeps one NATS connection until {@link close}, also when the server does not exist yet. The client library reconnects
 * and restores its subscriptions by itself; when it gives up, a new client is created.
 */
export class Link {
  /** The connection while it is up. */
  private live: NatsConnection | undefined;
  /** The current client, connected or reconnecting. */
  private current: NatsConnection | undefined;
  private readonly stopped = new AbortController();
  private readonly running: Promise<void>;
  private readonly log: Logger;
  private failure = 'not connected to NATS';

  /**
   * @param opened called with each new client before it is reported as up; make the subscriptions there
   * @param changed called with true or false when the connection comes up or goes down
   */
  constructor(
    private readonly options: LinkOptions,
    private readonly opened: (client: NatsConnection) => void,
    private readonly changed: (up: boolean) => void,
  ) {
    this.log = rateLimited(options.log);
    this.running = this.run();
  }

  /** `ok`, or why there is no connection. */
  get problem(): string {
    return this.live ? 'ok' : this.failure;
  }

  get connection(): NatsConnection | undefined {
    return this.live;
  }

  /** For subscribing: also while reconnecting, because the client makes such subscriptions after the reconnect. */
  get client(): NatsConnection | undefined {
    return this.current;
  }

  /** Waits for handlers, sends what was published, then closes the connection, in at most `boundMs` milliseconds. */
  async close(boundMs: number): Promise<void> {
    this.stopped.abort();
    const client = this.current;
    if (client && !client.isClosed()) {
      const end = this.live ? client.drain() : client.close();
      await withTimeout(end, boundMs, 'draining the bus').catch(() => client.close());
    }
    await this.running;
  }

  private async run(): Promise<void> {
    const backoff = new Backoff(200, 2_000);
    while (!this.stopped.signal.aborted) {
      const client = await this.open();
      if (!client) {
        await pause(backoff.next(), this.stopped.signal);
        continue;
      }
      backoff.reset();
      await this.watch(client);
    }
  }

  private async open(): Promise<NatsConnection | undefined> {
    try {
      return await connect({
        ...natsServers(this.options),
        name: this.options.name,
        noAsyncTraces: true,
        timeout: 3_000,
        // A half-open connection is detected after at most pingInterval × (maxPingOut + 1).
        pingInterval: 2_000,
        maxPingOut: 2,
        maxReconnectAttempts: -1,
        reconnectTimeWait: 100,
        reconnectJitter: 150,
        reconnectJitterTLS: 150,
        // Wrong credentials may be fixed on the server; aborting would require a restart of this process.
        ignoreAuthErrorAbort: true,
      });
    } catch (error) {
      this.failed('bus.unreachable', error);
      return undefined;
    }
  }

  /** From open until the client is closed. */
  private async watch(client: NatsConnection): Promise<void> {
    this.current = client;
    if (this.stopped.signal.aborted) return client.close();
    this.opened(client);
    this.up(client);
    for await (const status of client.status()) {
      if (status.type === 'disconnect') this.down(client);
      else if (status.type === 'reconnect') this.up(client);
      else if (status.type === 'staleConnection') this.abandon(client);
      else if (status.type === 'error') this.failed('bus.error', status.error);
    }
    await client.closed();
    this.down(client);
    this.current = undefined;
  }

  /**
   * The server answers no pings. The library would wait until the socket has written its buffer, which a server that
   * does not read never allows. `close` does not wait, and the next client is created at once.
   */
  private abandon(client: NatsConnection): void {
    this.log.warn('bus.stale');
    this.down(client);
    client.close().catch((error: unknown) => this.log.warn('bus.close-failed', { error }));
  }

  /**
   * The client library reports refused credentials like any other error, but an operator must know which variable to
   * fix.
   */
  private failed(event: string, error: unknown): void {
    if (!(error instanceof errors.AuthorizationError || error instanceof errors.UserAuthenticationExpiredError)) {
      if (!this.live) this.failure = 'not connected to NATS';
      return this.log.warn(event, { error });
    }
    const hint = `NATS refuses the credentials: check ${credentialsVariable(this.options)}`;
    this.failure = `not connected: ${hint}`;
    this.log.error('bus.refused', { hint, reason: error.message });
  }

  private up(client: NatsConnection): void {
    this.failure = 'not connected to NATS';
    connections.inc();
    this.live = client;
    this.log.info('bus.connected', { server: client.getServer() });
    this.changed(true);
  }

  private down(client: NatsConnection): void {
    if (this.live !== client) return;
    this.live = undefined;
    if (!this.stopped.signal.aborted) this.log.warn('bus.disconnected');
    this.changed(false);
  }
}
