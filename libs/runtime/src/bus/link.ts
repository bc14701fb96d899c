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
 * Keeps one NATS connection for ever: from the first attempt, which may be long before the server exists, until {@link close}.
 * The client library reconnects by itself and takes its subscriptions along; when it gives up nevertheless, a new client is made.
 */
export class Link {
  /** The connection while it is up. */
  private live: NatsConnection | undefined;
  /** The client there is, up or reconnecting. */
  private current: NatsConnection | undefined;
  private readonly stopped = new AbortController();
  private readonly running: Promise<void>;
  private readonly log: Logger;
  private failure = 'not connected to NATS';

  /**
   * @param opened called with each new client, before anybody is told that it is up: subscribe there.
   * @param changed called with true and false as the connection comes and goes.
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

  /** To subscribe on: also while it reconnects, since what it is given then is live afterwards. */
  get client(): NatsConnection | undefined {
    return this.current;
  }

  /** Handlers finish, what was published is sent, then the connection is closed; at most `boundMs` milliseconds. */
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
        // A half-open link is noticed after at most pingInterval × (maxPingOut + 1).
        pingInterval: 2_000,
        maxPingOut: 2,
        maxReconnectAttempts: -1,
        reconnectTimeWait: 100,
        reconnectJitter: 150,
        reconnectJitterTLS: 150,
        // Wrong credentials may be mended on the server's side; giving up would need a restart of ours.
        ignoreAuthErrorAbort: true,
      });
    } catch (error) {
      this.failed('bus.unreachable', error);
      return undefined;
    }
  }

  /** From open to closed for good. */
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
   * The server answers no pings. The library would first wait until the socket has taken what is written, which a server that
   * reads nothing never lets happen; closing waits for nothing, and the next client is made at once.
   */
  private abandon(client: NatsConnection): void {
    this.log.warn('bus.stale');
    this.down(client);
    client.close().catch((error: unknown) => this.log.warn('bus.close-failed', { error }));
  }

  /** Refused credentials are an error like any other to the client library; an operator has to know which variable to mend. */
  private failed(event: string, error: unknown): void {
    if (!(error instanceof errors.AuthorizationError || error instanceof errors.UserAuthenticationExpiredError)) {
      if (!this.live) this.failure = 'not connected to NATS';
      return this.log.warn(event, { error });
    }
    const hint = `NATS refuses the credentials: check ${credentialsVariable(this.options)}`;
    this.failure = `not connected: ${hint}`;
    this.log.error('bus.refused', { hint: hint, reason: error.message });
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
