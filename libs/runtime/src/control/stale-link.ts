import type { NatsConnection } from '@nats-io/transport-node';

/**
 * Closes a client whose server answers no pings, and resolves once the client is closed, for whatever reason. The library would first
 * wait until the socket has taken what is written, which a server that reads nothing never lets happen; closing waits for nothing.
 */
export async function closedWhenStale(client: NatsConnection): Promise<void> {
  for await (const status of client.status()) {
    // Not awaited: this loop ends by it.
    if (status.type === 'staleConnection') client.close().catch(() => undefined);
  }
  await client.closed();
}
