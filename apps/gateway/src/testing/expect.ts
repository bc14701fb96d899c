import { expect } from '@jest/globals';
import type { TestClient } from './client.js';
import type { ModeClient } from './rig.js';

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
