import { expect, test } from '@jest/globals';
import { encodeLines, subjects, type HistoryReply } from '@huizhi/protocol';
import { signToken, eventually } from '@huizhi/dev-env';
import type { Frame } from '../testing/client.js';
import { Clock } from '../testing/clock.js';
import { closed, works } from '../testing/expect.js';
import { GatewayFixture, SECRET } from '../testing/gateway-fixture.js';

/** Clients that send many small frames or few large ones lose their connection; other clients are not affected. */

const fixture = GatewayFixture.forEachTest();

test('the gateway refuses 47 KB of tiny frames before the login at the first one', async () => {
  const bystander = await fixture.login('bob');
  const client = await fixture.connect();
  client.raw('{}\n'.repeat(16_000));
  await client.closed();
  expect(client.all({ messageType: 'loginReceipt' })).toHaveLength(1);
  await works(bystander);
});

test('the gateway counts 47 KB of tiny frames without a type as frames', async () => {
  await fixture.restart({ HZ_RATE_GRACE: '300ms' });
  const bystander = await fixture.login('bob');
  const client = await fixture.login('alice');
  client.raw('{}\n'.repeat(16_000));
  await closed(client, 'rateLimited');
  expect(client.all({ messageType: 'error' }).length).toBeLessThan(300);
  await works(bystander);
});

test('the gateway counts invalid receipts as frames', async () => {
  await fixture.restart({ HZ_FRAMES_PER_SECOND: '10', HZ_RATE_GRACE: '300ms' });
  const client = await fixture.login('alice');
  client.raw(`${JSON.stringify({ messageType: 'receipt', messageIDs: Array<string>(900).fill('x') })}\n`.repeat(100));
  await closed(client, 'rateLimited');
  expect(client.all({ messageType: 'error' }).length).toBeLessThan(100);
});

test('the gateway answers 47 KB of tiny heartbeats, each once and in order', async () => {
  const client = await fixture.login('alice');
  client.raw(Array.from({ length: 3_000 }, (_, n) => `{"beatID":"${n}"}\n`).join(''));
  await client.frame({ beatID: '2999' });
  expect(client.frames.slice(1).map(({ beatID }) => Number(beatID))).toEqual(
    Array.from({ length: 3_000 }, (_, n) => n),
  );
});

test.each([
  ['heartbeats', { beatID: '1' }],
  ['receipts', { messageType: 'receipt', upTo: 1 }],
])('the gateway closes a session that exceeds the rate of %s for too long', async (_, frame) => {
  await fixture.restart({ HZ_QUIET_FRAMES_PER_SECOND: '50', HZ_RATE_GRACE: '300ms' });
  const bystander = await fixture.login('bob');
  const client = await fixture.login('alice');
  client.send(...Array<typeof frame>(300).fill(frame));
  await closed(client, 'rateLimited');
  await works(bystander);
});

test('the gateway closes a session that exceeds the limit of unanswered bytes', async () => {
  await fixture.restart({ HZ_UNANSWERED_BYTES: '131072', HZ_FRAMES_PER_SECOND: '1000' });
  fixture.message.answer = () => undefined;
  const client = await fixture.login('alice');
  const frame = { messageType: 'normal', chatType: 'userChat', contenType: 'text', toUserID: 'bob' };
  const content = { text: 'x'.repeat(30_000) };
  client.send(...Array.from({ length: 5 }, (_, n) => ({ ...frame, clientMsgID: `m${n}`, content })));
  await closed(client, 'tooManyUnanswered');
});

test('the gateway limits the unanswered bytes of all sessions with temporary refusals, without closing a session', async () => {
  await fixture.restart({
    HZ_TOTAL_UNANSWERED_BYTES: '1048576',
    HZ_FRAMES_PER_SECOND: '1000',
    HZ_RESEND_AFTER: '100ms',
  });
  const { answer } = fixture.message;
  fixture.message.answer = () => undefined;
  const [alice, bob] = [await fixture.login('alice'), await fixture.login('bob')];
  const frame = { messageType: 'normal', chatType: 'userChat', contenType: 'text', toUserID: 'carol' };
  const content = { text: 'x'.repeat(60_000) };
  for (const client of [alice, bob])
    client.send(...Array.from({ length: 12 }, (_, n) => ({ ...frame, clientMsgID: `m${n}`, content })));
  // Which session is refused depends on the order in which the gateway reads them.
  const refusals = (): Frame[] => [alice, bob].flatMap((client) => client.all({ messageType: 'error' }));
  await eventually('a refusal', () => refusals().length > 0);
  expect(refusals()[0]).toMatchObject({ name: 'unavailable', temporary: true });
  for (const client of [alice, bob]) await works(client);
  fixture.message.answer = answer;
  for (const client of [alice, bob]) {
    for (const { clientMsgID } of client.all({ messageType: 'error' })) client.send({ ...frame, clientMsgID, content });
    for (let n = 0; n < 12; n++) await client.frame({ messageType: 'normalReceipt', clientMsgID: `m${n}` });
  }
});

test('the gateway closes a session that sends only empty lines', async () => {
  const client = await fixture.login('alice');
  client.raw('\n'.repeat(900));
  await works(client);
  client.raw('\r\n'.repeat(1_001));
  await closed(client, 'badFrame');
});

const ask = (requestID: string) => ({ messageType: 'history', requestID, chatType: 'userChat', toUserID: 'bob' });

test('the gateway runs four history queries per session at a time, and counts further ones as frames', async () => {
  await fixture.restart({ HZ_RATE_GRACE: '300ms' });
  const asked: string[] = [];
  const bus = fixture.bus;
  bus.subscribe(subjects.history, (_, __, reply) => reply && asked.push(reply));
  const client = await fixture.login('alice');
  client.send(...Array.from({ length: 9 }, (_, n) => ask(`h${n}`)));
  await eventually('five refusals', () => client.all({ messageType: 'error', name: 'unavailable' }).length === 5);
  expect(asked).toHaveLength(4);
  const empty: HistoryReply = { hasMore: false };
  for (const reply of asked) bus.respond(reply, encodeLines(empty, []));
  await eventually('four pages', () => client.all({ messageType: 'historyReceipt' }).length === 4);
  client.send(...Array.from({ length: 300 }, (_, n) => ask(`f${n}`)));
  await closed(client, 'rateLimited');
});

test('the gateway keeps a slow client connected when four of the largest pages arrive at once', async () => {
  const page = encodeLines({ hasMore: true }, [JSON.stringify({ content: { text: 'x'.repeat(500_000) } })]);
  const replies: string[] = [];
  fixture.bus.subscribe(subjects.history, (_, __, reply) => {
    if (reply) replies.push(reply);
    // All replies at once, so that the gateway writes them in one event-loop turn.
    if (replies.length === 4) for (const to of replies) fixture.bus.respond(to, page);
  });
  const client = await fixture.login('alice');
  client.socket.pause();
  client.send(...Array.from({ length: 4 }, (_, n) => ask(`h${n}`)));
  await eventually('the requests', () => replies.length === 4);
  client.send({ beatID: 'after' });
  client.socket.resume();
  await client.frame({ beatID: 'after' });
  await eventually('an answer to each', () =>
    ['h0', 'h1', 'h2', 'h3'].every((requestID) => client.all({ requestID }).length === 1),
  );
  expect(client.all({ messageType: 'close' })).toEqual([]);
});

const group = (clientMsgID: string, size: number) => ({
  messageType: 'createGroup',
  clientMsgID,
  memberUserIDs: Array.from({ length: size }, (_, n) => `member${n}`),
});

test('the gateway limits members of new groups per user and second, over all devices, and still accepts messages', async () => {
  let ahead = 0;
  await fixture.restart({ HZ_GROUP_MEMBERS_PER_SECOND: '25' }, { now: () => performance.now() + ahead });
  const phone = await fixture.login('alice');
  phone.send(group('g1', 400), group('g2', 200));
  await phone.frame({ messageType: 'normalReceipt', clientMsgID: 'g1' });
  expect(await phone.frame({ clientMsgID: 'g2' })).toMatchObject({ messageType: 'error', name: 'unavailable' });
  const tablet = await fixture.login('alice', { deviceID: 'tablet' });
  tablet.send(group('g3', 200));
  expect(await tablet.frame({ clientMsgID: 'g3' })).toMatchObject({ messageType: 'error', name: 'unavailable' });
  const text = { messageType: 'normal', chatType: 'userChat', contenType: 'text', content: { text: 'x' } };
  phone.send({ ...text, toUserID: 'bob', clientMsgID: 'm1' });
  await phone.frame({ messageType: 'normalReceipt', clientMsgID: 'm1' });
  const other = await fixture.login('bob');
  other.send(group('g4', 400));
  await other.frame({ messageType: 'normalReceipt', clientMsgID: 'g4' });
  ahead += 10_000;
  phone.send(group('g2', 200));
  await phone.frame({ messageType: 'normalReceipt', clientMsgID: 'g2' });
});

const tryLogin = async (user: string, token: string, from?: string): Promise<string> => {
  const client = await fixture.connect(from);
  client.send({ messageType: 'login', fromUserID: user, versionCode: 2, token });
  const { name } = await client.frame({ messageType: 'loginReceipt' });
  if (name === undefined) return 'ok';
  await client.closed();
  return client.frames.map((frame) => String(frame.name)).join(', ');
};

test('the gateway limits bad tokens per address, without refusing a valid or an expired one for them', async () => {
  // Ten failures per second are forgiven; the clock is too slow for that.
  await fixture.restart({ HZ_FAILED_LOGINS_PER_ADDRESS: '5' }, new Clock(100));
  for (let n = 0; n < 5; n++) expect(await tryLogin(`victim${n}`, 'guess')).toBe('badToken, loginFailed');
  expect(await tryLogin('victim5', 'guess')).toBe('unavailable, rateLimited');
  expect(await tryLogin('victim5', 'guess', '127.0.0.2')).toBe('badToken, loginFailed');
  expect(await tryLogin('alice', await signToken(SECRET, 'alice'))).toBe('ok');
  expect(await tryLogin('alice', await signToken(SECRET, 'alice', -3_600))).toBe('tokenExpired, loginFailed');
});

test('the gateway counts a bad token once when it is repeated', async () => {
  await fixture.restart({ HZ_FAILED_LOGINS_PER_ADDRESS: '2' }, new Clock(100));
  for (let n = 0; n < 5; n++) expect(await tryLogin('alice', 'old')).toBe('badToken, loginFailed');
  expect(await tryLogin('bob', 'guess')).toBe('badToken, loginFailed');
  expect(await tryLogin('bob', 'another')).toBe('unavailable, rateLimited');
  expect(await tryLogin('alice', 'old')).toBe('badToken, loginFailed');
});

test('the gateway does not count bad logins in the name of a user for that user', async () => {
  await fixture.restart({ HZ_LOGIN_ATTEMPTS: '1' }, new Clock(100));
  for (let n = 0; n < 5; n++) expect(await tryLogin('alice', `guess${n}`)).toBe('badToken, loginFailed');
  await fixture.login('alice');
});

test('the gateway does not count successful logins as failed', async () => {
  await fixture.restart({ HZ_FAILED_LOGINS_PER_ADDRESS: '1' });
  for (let n = 0; n < 5; n++) await fixture.login(`user${n}`);
});
