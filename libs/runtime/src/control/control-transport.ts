import { ClientNats, ServerNats, type NatsOptions } from '@nestjs/microservices';
import type { NatsConnection } from '@nats-io/transport-node';
import { Backoff, pause } from '../backoff.js';
import { closedWhenStale } from './stale-link.js';

type Options = NonNullable<NatsOptions['options']>;

/** Nest's client, which makes a new connection at its next request when the old one has gone stale. */
export class ControlNatsClient extends ClientNats {
  override async createClient(): Promise<NatsConnection> {
    const client = (await super.createClient()) as NatsConnection;
    void closedWhenStale(client).then(() => this.abandon(client));
    return client;
  }

  /** Requests under way are answered with an error; Nest itself forgets a closed client only after it has been told so. */
  private abandon(client: NatsConnection): void {
    if (this.natsClient === client) void this.close();
  }
}

/** Nest's server, which listens again on a new connection when the old one has gone stale or was given up. */
export class ControlNatsServer extends ServerNats {
  private client: NatsConnection | undefined;
  private isOver = false;

  constructor(
    options: Options,
    private readonly stopping: AbortSignal | undefined,
  ) {
    super(options);
  }

  override async createNatsClient(): Promise<NatsConnection> {
    const client = (await super.createNatsClient()) as NatsConnection;
    this.client = client;
    void closedWhenStale(client).then(() => this.again(client));
    return client;
  }

  override async close(): Promise<void> {
    this.isOver = true;
    await super.close();
    // What listens again has a client that Nest's own end does not know of.
    await this.client?.close();
  }

  private async again(closed: NatsConnection): Promise<void> {
    const backoff = new Backoff(100, 2_000);
    while (this.client === closed && !this.mayEnd) {
      try {
        const client = await this.createNatsClient();
        if (this.mayEnd) return client.close();
        void this.handleStatusUpdates(client);
        this.bindEvents(client);
      } catch {
        await pause(backoff.next(), this.stopping);
      }
    }
  }

  private get mayEnd(): boolean {
    return this.isOver || this.stopping?.aborted === true;
  }
}
