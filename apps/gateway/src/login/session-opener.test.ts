import { expect, test } from '@jest/globals';
import type { Bus } from '@huizhi/runtime';
import type { SessionSocket } from '../sessions/session-socket.js';
import { SendBudget } from '../sends/session-sends.js';
import { Sessions } from '../sessions/sessions.js';
import { TimingWheel } from '../timing/timing-wheel.js';
import { KnownUsers } from './known-users.js';
import { SessionOpener, type OpenerSettings } from './session-opener.js';

/** Expects the login to fail as `unavailable`. `ask` stands for both services; `asked` counts all requests. */
async function open(connection: SessionSocket, ask: () => Promise<object>): Promise<{ asked: number }> {
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

const inState = (state: SessionSocket['state']): SessionSocket => ({ state }) as SessionSocket;
const hangUp = (connection: SessionSocket): unknown => Object.assign(connection, { state: 'closing' });

test('the opener does not retry when the client disconnects during the pause', async () => {
  const connection = inState('opening');
  const { asked } = await open(connection, () => {
    // After the failed attempt, while the opener waits for the next one.
    setTimeout(() => hangUp(connection), 0);
    return Promise.reject(new Error('no answer'));
  });
  expect(asked).toBe(1);
});

test('the opener sends no request when the client disconnected during the token check', async () => {
  const { asked } = await open(inState('closing'), () => Promise.resolve({}));
  expect(asked).toBe(0);
});

test('the opener opens no session when the client disconnects during ensureUser', async () => {
  const connection = inState('opening');
  const { asked } = await open(connection, async () => {
    hangUp(connection);
    return {};
  });
  expect(asked).toBe(1);
});

test('the opener does not retry when a newer login of the device was processed', async () => {
  const answer = Buffer.from(JSON.stringify({ error: 'unavailable', overtaken: true }));
  // One request for the user, one for the session.
  expect((await open(inState('opening'), () => Promise.resolve(answer))).asked).toBe(2);
});
