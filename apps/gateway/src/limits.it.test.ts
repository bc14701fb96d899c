import { expect, test } from '@jest/globals';
import { SignJWT } from 'jose';
import { signToken, eventually } from '@huizhi/dev-env';
import { Clock } from './testing/clock.js';
import type { TestClient } from './testing/client.js';
import { closed, passes, works } from './testing/expect.js';
import { receiptBlindly } from './testing/receipts.js';
import { GatewayFixture, SECRET } from './testing/gateway-fixture.js';

const fixture = GatewayFixture.forEachTest();

const loginLine = async (): Promise<string> =>
  JSON.stringify({
    messageType: 'login',
    fromUserID: 'alice',
    versionCode: 2,
    token: await signToken(SECRET, 'alice'),
  });

test('the gateway closes a connection that sends nothing', async () => {
  await fixture.restart({ HZ_LOGIN_DEADLINE: '300ms' });
  await closed(await fixture.connect(), 'loginTimeout');
});

test('the gateway closes a connection that sends bytes but does not log in', async () => {
  await fixture.restart({ HZ_LOGIN_DEADLINE: '500ms' });
  const client = await fixture.connect();
  client.raw('{');
  const loris = setInterval(() => client.raw(' '), 50);
  await closed(client, 'loginTimeout').finally(() => clearInterval(loris));
});

test('the gateway reads at most HZ_LOGIN_BYTES before the login, 16 KiB by default', async () => {
  const bystander = await fixture.login('bob');
  const client = await fixture.connect();
  client.raw(`{"messageType":"login","token":"${'x'.repeat(17_000)}"}\n`);
  expect(await client.frame({ messageType: 'error' })).toMatchObject({ name: 'frameTooLarge' });
  await closed(client, 'frameTooLarge');
  const chatty = await fixture.connect();
  chatty.raw(`${await loginLine()}\n${'{"beatID":"1"}\n'.repeat(1_200)}`);
  await closed(chatty, 'frameTooLarge');
  await works(bystander);
});

/** A valid token of about this many bytes, as of an identity provider that lists roles. */
function largeToken(user: string, bytes: number): Promise<string> {
  const roles = Array.from(
    { length: Math.floor(bytes / 40) },
    (_, n) => `organisation:role-${String(n).padStart(8, '0')}`,
  );
  return new SignJWT({ roles })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(user)
    .setIssuedAt()
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(SECRET));
}

test('one setting limits the token of a login: a token is accepted up to HZ_LOGIN_BYTES', async () => {
  const login = async (bytes: number): Promise<TestClient> => {
    const client = await fixture.connect();
    const token = await largeToken('alice', bytes);
    client.raw(`${JSON.stringify({ messageType: 'login', fromUserID: 'alice', versionCode: 2, token })}\n`);
    return client;
  };
  await (await login(6_000)).frame({ messageType: 'loginReceipt', code: 0 });
  await (await login(14_000)).frame({ messageType: 'loginReceipt', code: 0 });
  await closed(await login(20_000), 'frameTooLarge');
  await fixture.restart({ HZ_LOGIN_BYTES: '65536' });
  await (await login(60_000)).frame({ messageType: 'loginReceipt', code: 0 });
  await fixture.restart({ HZ_LOGIN_BYTES: '4096' });
  await closed(await login(6_000), 'frameTooLarge');
});

test('the gateway answers bytes that are not a frame with an error and closes', async () => {
  const client = await fixture.connect();
  client.raw('hello\n');
  expect(await client.frame({ messageType: 'error' })).toMatchObject({ name: 'badFrame' });
  await closed(client, 'badFrame');
});

test('the gateway reads a login that is split at any byte and ends with CRLF', async () => {
  await fixture.restart({ HZ_LOGIN_ATTEMPTS: '1000' });
  const line = Buffer.from(`${await loginLine()}\r\n`);
  for (let at = 1; at < line.length; at++) {
    const client = await fixture.connect();
    client.raw(line.subarray(0, at));
    await new Promise((resolve) => setImmediate(resolve));
    client.raw(line.subarray(at));
    await client.frame({ messageType: 'loginReceipt', code: 0 });
    client.destroy();
  }
});

test('the gateway reads frames that arrive byte by byte or many at once', async () => {
  const alice = await fixture.login('alice');
  for (const byte of Buffer.from('{"beatID":"回"}\r\n')) {
    alice.raw(Buffer.from([byte]));
    await new Promise((resolve) => setImmediate(resolve));
  }
  alice.raw('{"beatID":"2"}\n\n{"beatID":"3"}\n{"beat');
  await alice.frame({ beatID: '3' });
  alice.raw('ID":"4"}\n');
  await alice.frame({ beatID: '4' });
  expect(alice.frames.slice(1).map(({ beatID }) => beatID)).toEqual(['回', '2', '3', '4']);
});

test('the gateway closes a session when a frame is not completed in time', async () => {
  await fixture.restart({ HZ_FRAME_DEADLINE: '400ms' });
  const alice = await fixture.login('alice');
  const loris = setInterval(() => alice.raw(' '), 50);
  alice.raw('{"beatID"');
  await closed(alice, 'frameTimeout').finally(() => clearInterval(loris));
});

test.each([
  ['larger than 64 KiB', `{"beatID":"${'x'.repeat(70_000)}"}\n`, 'frameTooLarge', 'frameTooLarge'],
  ['not JSON', '{"a":\n', 'badFrame', 'badFrame'],
])('the gateway closes a connection that sends a frame %s, and no other one', async (_, bytes, error, close) => {
  const bystander = await fixture.login('bob');
  const alice = await fixture.login('alice');
  alice.raw(bytes);
  expect(await alice.frame({ messageType: 'error' })).toMatchObject({ name: error });
  await closed(alice, close);
  await works(bystander);
});

test.each([
  ['nested too deeply', `{"text":"x","deep":${'['.repeat(20)}${']'.repeat(20)}}`, 'tooDeep'],
  ['with NUL', '{"text":"\\u0000"}', 'badText'],
  ['with half a surrogate pair', '{"text":"\\ud800"}', 'badText'],
  ['with a number beyond 2^53', '{"text":"x","n":9007199254740993}', 'badField'],
  ['with a field named __proto__', '{"text":"x","__proto__":{}}', 'badField'],
])('the gateway refuses a message %s permanently and keeps the connection open', async (_, content, error) => {
  const alice = await fixture.login('alice');
  const head = '"messageType":"normal","chatType":"userChat","contenType":"text","toUserID":"bob","clientMsgID":"p1"';
  alice.raw(`{${head},"content":${content}}\n`);
  expect(await alice.frame({ messageType: 'invalidReceipt' })).toMatchObject({ name: error, clientMsgID: 'p1' });
  await works(alice);
});

test('the gateway closes a session that exceeds the frame rate for too long, without counting receipts', async () => {
  await fixture.restart({ HZ_FRAMES_PER_SECOND: '10', HZ_RATE_GRACE: '300ms' });
  const alice = await fixture.login('alice');
  for (let i = 0; i < 100; i++) alice.send({ messageType: 'receipt', upTo: 1 });
  await works(alice);
  for (let i = 0; i < 60; i++) alice.send({ messageType: 'nonsense' });
  await closed(alice, 'rateLimited');
});

test('the gateway closes a session that exceeds the limit of unanswered sends', async () => {
  await fixture.restart({ HZ_UNANSWERED_SENDS: '5' });
  const alice = await fixture.login('alice');
  fixture.message.answer = () => undefined;
  for (let i = 0; i < 6; i++) {
    alice.send({
      ...{ messageType: 'normal', chatType: 'userChat', contenType: 'text', toUserID: 'bob', clientMsgID: `m${i}` },
      content: { text: 'x' },
    });
  }
  await closed(alice, 'tooManyUnanswered');
});

test('the gateway closes a session that is silent for three heartbeats', async () => {
  const clock = new Clock();
  await fixture.restart({ HZ_HEARTBEAT: '20s' }, clock);
  const silent = await fixture.login('alice');
  const beating = await fixture.login('bob');
  clock.turn(40_000);
  await works(beating);
  clock.turn(30_000);
  await closed(silent, 'heartbeatMissed');
  await works(beating);
});

test('the gateway allows version 1, which sends a heartbeat per second, five seconds of silence, and version 2 more', async () => {
  const clock = new Clock(100);
  await fixture.restart({ HZ_LOGIN_DEADLINE: '1s' }, clock);
  const [silent, beating] = [
    await fixture.login('alice', { versionCode: 1 }),
    await fixture.login('bob', { versionCode: 1 }),
  ];
  const newer = await fixture.login('carol', { versionCode: 2 });
  await passes(4_800, fixture, clock);
  expect(fixture.log.closesOf('alice')).toEqual([]);
  await works(beating);
  clock.turn(300);
  await closed(silent, 'heartbeatMissed');
  await works(beating);
  await works(newer);
});

test('the gateway closes a session that stops reading, with a bounded buffer, and serves others', async () => {
  await fixture.restart({ HZ_WRITE_STALL: '1s', HZ_REDELIVER_AFTER: '1h', HZ_WINDOW: '10000' });
  const text = 'x'.repeat(30_000);
  for (let i = 0; i < 600; i++) fixture.offline.put('alice', text);
  const slow = await fixture.connect();
  slow.socket.pause();
  slow.raw(`${await loginLine()}\n`);
  const bystander = await fixture.login('bob');
  // Without receipts the client would be sent little more than one batch.
  const ended = receiptBlindly(slow);
  await eventually('the end of the session', () => fixture.offline.closes.some(({ user }) => user === 'alice')).finally(
    ended,
  );
  expect(fixture.log.closesOf('alice')).toEqual(['slowConsumer']);
  // Only as many entries as fit the kernel's buffers and one write buffer were fetched.
  const { from } = fixture.offline.fetches.filter(({ user }) => user === 'alice').at(-1) ?? { from: Infinity };
  expect(from).toBeLessThan(500);
  await works(bystander);
});

test('the gateway closes a session that sends requests and never reads', async () => {
  await fixture.restart({
    HZ_WRITE_BUFFER_BYTES: '524288',
    HZ_WRITE_STALL: '1h',
    HZ_QUIET_FRAMES_PER_SECOND: '100000',
  });
  const slow = await fixture.login('alice');
  slow.socket.pause();
  const beat = `{"beatID":"${'x'.repeat(60)}"}\n`.repeat(500);
  // Half of the allowed rate, so that no rate limit closes the session.
  const flood = setInterval(() => slow.raw(beat), 10);
  await eventually('the end of the session', () => fixture.offline.closes.length > 0).finally(() =>
    clearInterval(flood),
  );
  expect(fixture.log.closesOf('alice')).toEqual(['slowConsumer']);
});

test('the gateway closes its sessions before it reads another frame when it was paused too long', async () => {
  const clock = new Clock();
  await fixture.restart({ HZ_STALE_AFTER: '60s' }, clock);
  const alice = await fixture.login('alice');
  alice.send({ beatID: 'before' });
  await alice.frame({ beatID: 'before' });
  alice.send({ beatID: 'waiting' });
  // The gateway shares this process, so it has not read that frame yet when the clock is advanced.
  clock.turn(61_000);
  await closed(alice, 'staleSession');
  expect(alice.all({ beatID: 'waiting' })).toEqual([]);
});

/** Blocks the event loop of this process, which is also the gateway's, as if it had been stopped. */
const beAway = (ms: number): void => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

test('after a short pause the gateway reads waiting frames before it closes silent or slow sessions', async () => {
  await fixture.restart({ HZ_HEARTBEAT: '500ms', HZ_HEARTBEAT_MIN: '2s', HZ_FRAME_DEADLINE: '2s' });
  const [silent, beating, slow] = [
    await fixture.login('alice'),
    await fixture.login('bob'),
    await fixture.login('carol'),
  ];
  slow.raw('{"beatID":"1"}\n{"beatID"');
  await slow.frame({ beatID: '1' });
  slow.raw(':"2"}\n');
  beating.send({ beatID: '2' });
  beAway(2_500);
  await closed(silent, 'heartbeatMissed');
  for (const client of [slow, beating]) {
    await client.frame({ beatID: '2' });
    expect(client.all({ messageType: 'close' })).toEqual([]);
  }
});
