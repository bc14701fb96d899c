import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { certificateFor, signToken, eventually } from '@huizhi/dev-env';
import { SignJWT, UnsecuredJWT } from 'jose';
import { Clock } from './testing/clock.js';
import { GatewayFixture, SECRET } from './testing/gateway-fixture.js';

const fixture = GatewayFixture.forEachTest();

const hello = (token: unknown, fromUserID = 'alice') => ({ messageType: 'login', fromUserID, versionCode: 2, token });

test('the gateway opens a session when the token is valid, and sends the limits', async () => {
  const alice = await fixture.login('alice', { deviceType: 'iOS' });
  expect(alice.frames).toEqual([
    {
      messageType: 'loginReceipt',
      code: 0,
      fromUserID: 'alice',
      deviceID: 'phone',
      heartbeat: 20,
      limits: { frameBytes: 65536, framesPerSecond: 100, unansweredSends: 200, window: 500, batchEntries: 200 },
      inboxSeq: 0,
      head: 0,
      waiting: 0,
      generation: 'g1',
      serverTime: expect.stringMatching(/^\d+$/),
    },
  ]);
  expect(fixture.message.ensured).toEqual(['alice']);
  expect(fixture.offline.opens).toMatchObject([{ user: 'alice', device: 'phone', deviceType: 'iOS', version: 2 }]);
});

const key = new TextEncoder().encode(SECRET);
const forged: [string, () => Promise<string> | string | undefined, string][] = [
  ['no token', () => undefined, 'badToken'],
  ['nonsense', () => 'nonsense', 'badToken'],
  ['another user’s token', () => signToken(SECRET, 'bob'), 'badToken'],
  ['an expired token', () => signToken(SECRET, 'alice', -1), 'tokenExpired'],
  ['another secret', () => signToken(`${SECRET}!`, 'alice'), 'badToken'],
  ['alg none', () => new UnsecuredJWT({ sub: 'alice' }).setExpirationTime('1h').encode(), 'badToken'],
  [
    'another algorithm with the right secret',
    () => new SignJWT({ sub: 'alice' }).setProtectedHeader({ alg: 'HS512' }).setExpirationTime('1h').sign(key),
    'badToken',
  ],
  [
    'a token without expiry',
    () => new SignJWT({ sub: 'alice' }).setProtectedHeader({ alg: 'HS256' }).sign(key),
    'badToken',
  ],
];

test.each(forged)('the gateway refuses %s with a reason and closes', async (_, make, name) => {
  const client = await fixture.connect();
  client.send(hello(await make()));
  expect(await client.frame({ messageType: 'loginReceipt' })).toMatchObject({ name, code: expect.any(Number) });
  expect(await client.frame({ messageType: 'close' })).toMatchObject({ name: 'loginFailed', reconnect: false });
  await client.closed();
  expect(fixture.offline.opens).toEqual([]);
});

test.each([
  ['a heartbeat', { beatID: '1' }],
  [
    'a message',
    { messageType: 'normal', chatType: 'userChat', contenType: 'text', toUserID: 'b', content: { text: 'x' } },
  ],
])('the gateway accepts no frame before the login: %s', async (_, frame) => {
  const client = await fixture.connect();
  client.send(frame);
  expect(await client.frame({ messageType: 'loginReceipt' })).toMatchObject({ name: 'loginRequired' });
  await client.closed();
});

test('the gateway asks a client to upgrade when its version is too old', async () => {
  await fixture.restart({ HZ_UPGRADE_URL: 'https://example.org/get' });
  const client = await fixture.connect();
  client.send({ ...hello('x'), versionCode: 0 });
  expect(await client.frame({ messageType: 'loginReceipt' })).toMatchObject({
    upgradeRequired: true,
    upgradeURL: 'https://example.org/get',
  });
  expect(await client.frame({ messageType: 'close' })).toMatchObject({ name: 'upgradeRequired', reconnect: false });
});

test('the gateway processes frames after the login when they arrive while it is pending', async () => {
  const client = await fixture.connect();
  client.send(hello(await signToken(SECRET, 'alice')), { beatID: 'early' });
  await client.frame({ beatID: 'early' });
  expect(client.frames.map(({ messageType, beatID }) => messageType ?? beatID)).toEqual(['loginReceipt', 'early']);
});

test('the gateway retries the owner, and finally asks the client to reconnect', async () => {
  await fixture.restart({ HZ_LOGIN_BUDGET: '3s' });
  fixture.offline.answersOpen = false;
  const late = fixture.login('alice');
  await eventually('an attempt', () => fixture.offline.opens.length > 0);
  fixture.offline.answersOpen = true;
  await late;
  const numbers = fixture.offline.opens.map(({ session }) => session);
  expect(new Set(numbers).size).toBe(numbers.length);

  fixture.offline.answersOpen = false;
  const client = await fixture.connect();
  client.send(hello(await signToken(SECRET, 'bob'), 'bob'));
  expect(await client.frame({ messageType: 'loginReceipt' })).toMatchObject({ name: 'unavailable' });
  expect(await client.frame({ messageType: 'close' })).toMatchObject({ name: 'unavailable', reconnect: true });
});

test('the gateway limits the logins of one user and of no other', async () => {
  // One more login per second is allowed; the clock is too slow for that.
  await fixture.restart({ HZ_LOGIN_ATTEMPTS: '2' }, new Clock(100));
  await fixture.login('alice');
  await fixture.login('alice');
  const third = await fixture.connect();
  third.send(hello(await signToken(SECRET, 'alice')));
  await third.closed();
  expect(third.frames).toMatchObject([
    { messageType: 'loginReceipt', code: 2001, name: 'unavailable' },
    { messageType: 'close', name: 'rateLimited', reconnect: true },
  ]);
  await fixture.login('bob');
});

test('the gateway refuses a second login on a connection and keeps the session', async () => {
  const alice = await fixture.login('alice');
  alice.send(hello('x', 'bob'), { beatID: 'still here' });
  expect(await alice.frame({ messageType: 'error' })).toMatchObject({ name: 'unsupported' });
  await alice.frame({ beatID: 'still here' });
});

test('an internal error during a login closes that connection and no other', async () => {
  const bob = await fixture.login('bob');
  const { info } = fixture.log;
  const fails = (event: string): void => {
    if (event === 'session.opened') throw new Error('an internal error');
  };
  Object.assign(fixture.log, { info: fails });
  const alice = await fixture.login('alice');
  expect(await alice.frame({ messageType: 'close' })).toMatchObject({ name: 'unavailable', reconnect: true });
  await alice.closed();
  expect(fixture.log.count('connection.failed')).toBe(1);
  Object.assign(fixture.log, { info });
  bob.send({ beatID: 'still here' });
  await bob.frame({ beatID: 'still here' });
  await fixture.login('alice');
});

test('the gateway accepts TLS', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hz-gateway-cert-'));
  const { certFile, keyFile, ca } = await certificateFor(folder);
  await fixture.restart({ HZ_TLS: 'on', HZ_TLS_CERT_FILE: certFile, HZ_TLS_KEY_FILE: keyFile }, { ca });
  fixture.offline.put('alice', '回执 ✓');
  const alice = await fixture.login('alice');
  expect(await alice.frame({ inboxSeq: 1 })).toMatchObject({ content: { text: '回执 ✓' } });
  rmSync(folder, { recursive: true });
});
