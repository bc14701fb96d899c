import { expect } from '@jest/globals';
import type { TestClient } from './client.js';
import type { Clock } from './clock.js';
import type { ModeClient, GatewayFixture } from './gateway-fixture.js';

/** Its connection is good: it is answered. Asked of bystanders, too, whom nothing may harm. */
export async function works(client: ModeClient): Promise<void> {
  const beatID = String(Math.random());
  client.send({ beatID });
  await client.frame({ beatID });
}

/** It was told why and its connection has ended. */
export async function closed(client: TestClient, name: string): Promise<void> {
  expect(await client.frame({ messageType: 'close' })).toMatchObject({ name });
  await client.closed();
}

/** Turns the clock and waits until the gateway has acted on it: it has sent away who does not log in, within a `HZ_LOGIN_DEADLINE` of less. */
export async function passes(ms: number, fixture: GatewayFixture, clock: Clock): Promise<void> {
  const idle = await fixture.connect();
  clock.turn(ms);
  await closed(idle, 'loginTimeout');
}
