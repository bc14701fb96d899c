import { expect } from '@jest/globals';
import type { TestClient } from './client.js';
import type { Clock } from './clock.js';
import type { ModeClient, GatewayFixture } from './gateway-fixture.js';

/** Expects the connection to be open: it answers a heartbeat. Also used for unaffected connections. */
export async function works(client: ModeClient): Promise<void> {
  const beatID = String(Math.random());
  client.send({ beatID });
  await client.frame({ beatID });
}

/** Expects a close frame with this name and the end of the connection. */
export async function closed(client: TestClient, name: string): Promise<void> {
  expect(await client.frame({ messageType: 'close' })).toMatchObject({ name });
  await client.closed();
}

/**
 * Advances the clock and waits until the gateway has processed that: it has closed an idle connection. `ms` must exceed
 * `HZ_LOGIN_DEADLINE`.
 */
export async function passes(ms: number, fixture: GatewayFixture, clock: Clock): Promise<void> {
  const idle = await fixture.connect();
  clock.turn(ms);
  await closed(idle, 'loginTimeout');
}
