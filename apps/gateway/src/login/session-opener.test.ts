import { expect, test } from '@jest/globals';
import type { Bus } from '@huizhi/runtime';
import type { Connection } from '../connection/connection.js';
import { SendBudget } from '../sends/session-sends.js';
import { Sessions } from '../sessions/sessions.js';
import { TimingWheel } from '../timing/timing-wheel.js';
import { KnownUsers } from './known-users.js';
import { SessionOpener, type OpenerSettings } from './session-opener.js';

/** An attempt for who has hung up would kick their login elsewhere. Here `ask` is the service behind, and counts as asked whoever asks. */
async function open(connection: Connection, ask: () => Promise<object>): Promise<{ asked: number }> {
  let asked = 0;
  const request = (): Promise<never> => {
    asked += 1;
    return ask() as Promise<never>;
  };
  const settings = { HZ_OFFLINE_LANES: 16, HZ_LOGIN_BUDGET: 5_000 } as OpenerSettings;
  const now = (): number => performance.now();
  const bus = { request } as unknown as Bus;
  const sessions = new Sessions(new TimingWheel(now()), () => undefined, new SendBudget(Infinity));
  const opener = new SessionOpener('g', bus, { request }, sessions, new KnownUsers(), settings, [], now);
  const identity = { user: 'alice', device: 'phone', deviceType: undefined, version: 2 };
  await expect(opener.open(identity, { expiresAt: Infinity }, connection, now())).rejects.toMatchObject({
    error: 'unavailable',
  });
  return { asked };
}

const inState = (state: Connection['state']): Connection => ({ state }) as Connection;
const hangUp = (connection: Connection): unknown => Object.assign(connection, { state: 'closing' });

test('does not try again for who hung up during the pause', async () => {
  const connection = inState('opening');
  const { asked } = await open(connection, () => {
    // After this attempt has failed and the connection was looked at, while the next one waits.
    setTimeout(() => hangUp(connection), 0);
    return Promise.reject(new Error('nobody answers'));
  });
  expect(asked).toBe(1);
});

test('asks for nothing for who hung up while the token was looked at', async () => {
  const { asked } = await open(inState('closing'), () => Promise.resolve({}));
  expect(asked).toBe(0);
});

test('opens no session for who hung up while the user was made sure of', async () => {
  const connection = inState('opening');
  const { asked } = await open(connection, async () => {
    hangUp(connection);
    return {};
  });
  expect(asked).toBe(1);
});

test('asks no more when the device has logged in elsewhere since', async () => {
  const answer = Buffer.from(JSON.stringify({ error: 'unavailable', overtaken: true }));
  // Once for the user, once for the session.
  expect((await open(inState('opening'), () => Promise.resolve(answer))).asked).toBe(2);
});
