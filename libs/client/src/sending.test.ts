import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { ClientIdInUseError, OutboxFullError, SendRefusedError, SendUnknownError } from './errors.js';
import type { Observed } from './observer.js';
import { LIMITS, type Frame, type Peer } from './testing/fake-server.js';
import { Harness, until } from './testing/harness.js';

const bob = { user: 'bob' };
let harness: Harness;

beforeEach(async () => {
  harness = await Harness.start();
});

afterEach(() => harness.stop());

const text = (frame: Frame): unknown => (frame.content as { text: unknown }).text;

async function texts(peer: Peer, count: number): Promise<unknown[]> {
  const got: unknown[] = [];
  while (got.length < count) got.push(text(await peer.nextOf('normal')));
  return got;
}

test('the client sends a message as the protocol specifies, and its receipt settles it', async () => {
  const [client, peer] = await harness.online();
  const sending = client.send(bob, { text: 'hi' }, { sendTime: '123', atToUserIDs: ['bob'] });
  const frame = await peer.nextOf('normal');
  expect(frame).toEqual({
    messageType: 'normal',
    chatType: 'userChat',
    toUserID: 'bob',
    contenType: 'text',
    clientMsgID: sending.clientMsgID,
    sendTime: '123',
    atToUserIDs: ['bob'],
    content: { text: 'hi' },
  });
  peer.accept(frame, 1);
  expect(await sending.receipt).toMatchObject({ seq: 1, messageID: '1024', clientMsgID: sending.clientMsgID });
  expect(client.pending).toBe(0);
});

test('createGroup() sends a frame and resolves with the groupID of its receipt', async () => {
  const [client, peer] = await harness.online();
  const { receipt } = client.createGroup(['bob', 'carol'], 'team', { clientMsgID: 'c1' });
  const frame = await peer.nextOf('createGroup');
  expect(frame).toEqual({
    messageType: 'createGroup',
    clientMsgID: 'c1',
    groupName: 'team',
    memberUserIDs: ['bob', 'carol'],
  });
  peer.send({
    messageType: 'normalReceipt',
    messageID: '1024',
    conversationID: 'g_1',
    seq: 1,
    serverTime: '1',
    groupID: '1',
    clientMsgID: 'c1',
  });
  expect(await receipt).toMatchObject({ groupID: '1' });
});

test('the client sends a message after the login when send() was called before', async () => {
  const client = harness.client();
  const { receipt } = client.sendText(bob, 'early');
  void client.connect();
  const peer = await harness.server.loggedIn();
  peer.accept(await peer.nextOf('normal'), 1);
  await receipt;
});

test('the client sends unsettled messages again after a reconnect, with the same ids and in order', async () => {
  const [client, first] = await harness.online();
  const sendings = ['one', 'two', 'three'].map((each) => client.sendText(bob, each));
  first.accept(await first.nextOf('normal'), 1);
  await sendings[0]?.receipt;
  await texts(first, 2);
  first.cut();
  const second = await harness.server.loggedIn();
  const again = [await second.nextOf('normal'), await second.nextOf('normal')];
  expect(again.map(text)).toEqual(['two', 'three']);
  expect(again.map(({ clientMsgID }) => clientMsgID)).toEqual(sendings.slice(1).map(({ clientMsgID }) => clientMsgID));
  again.forEach((frame, i) => second.accept(frame, i + 2));
  expect((await Promise.all(sendings.map(({ receipt }) => receipt))).map(({ seq }) => seq)).toEqual([1, 2, 3]);
});

test('the client repeats a conversation from a temporary error on, in order, without blocking others', async () => {
  const [client, peer] = await harness.online();
  const sendings = ['a1', 'a2', 'a3'].map((each) => client.sendText(bob, each));
  const frames = [await peer.nextOf('normal'), await peer.nextOf('normal'), await peer.nextOf('normal')] as const;
  peer.accept(frames[0], 1);
  peer.error(frames[1]);
  peer.error(frames[2], 'resendInOrder', 2002);
  await sendings[0]?.receipt;
  sendings.push(client.sendText(bob, 'a4'));
  const elsewhere = client.sendText({ user: 'carol' }, 'c1');
  expect(text(await peer.nextOf('normal'))).toBe('c1');
  const again = [await peer.nextOf('normal'), await peer.nextOf('normal'), await peer.nextOf('normal')];
  expect(again.map(text)).toEqual(['a2', 'a3', 'a4']);
  again.forEach((frame, i) => peer.accept(frame, i + 2));
  await Promise.all(sendings.map(({ receipt }) => receipt));
  peer.send({
    messageType: 'normalReceipt',
    messageID: '9216',
    conversationID: 'p_y',
    seq: 1,
    serverTime: '1',
    clientMsgID: elsewhere.clientMsgID,
  });
  await elsewhere.receipt;
});

test('the client ignores a late refusal of an earlier copy', async () => {
  const [client, peer] = await harness.online({ timings: { resend: { baseMs: 1, maxMs: 1 } } });
  const sendings = ['one', 'two'].map((each) => client.sendText(bob, each));
  const first = await peer.nextOf('normal');
  const second = await peer.nextOf('normal');
  peer.error(first);
  expect(await texts(peer, 2)).toEqual(['one', 'two']);
  peer.error(second, 'resendInOrder', 2002);
  // Once the page is answered, the client has read the refusal before it.
  const page = client.history(bob);
  const { requestID } = await peer.nextOf('history');
  peer.send({ messageType: 'historyReceipt', requestID, conversationID: 'p_x', messages: [], hasMore: false });
  await page;
  client.sendText(bob, 'three');
  expect(await texts(peer, 1)).toEqual(['three']);
  peer.accept(first, 1);
  peer.accept(second, 2);
  await Promise.all(sendings.map(({ receipt }) => receipt));
});

test('a final refusal rejects with code, name and reason, and later messages are sent', async () => {
  const [client, peer] = await harness.online();
  const refused = client.sendText({ user: 'nobody' }, 'hello?');
  const { clientMsgID } = await peer.nextOf('normal');
  peer.send({ messageType: 'invalidReceipt', code: 1201, name: 'notAllowed', reason: 'no', clientMsgID });
  const error = await refused.receipt.catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(SendRefusedError);
  expect(error).toMatchObject({ code: 1201, error: 'notAllowed', reason: 'no' });
  const next = client.sendText(bob, 'next');
  peer.accept(await peer.nextOf('normal'), 1);
  await next.receipt;
});

test('the client repeats an unanswered message, and reconnects after a second timeout', async () => {
  const [client, first] = await harness.online({ timings: { answerMs: 150 } });
  const { receipt } = client.sendText(bob, 'hello?');
  expect(await texts(first, 2)).toEqual(['hello?', 'hello?']);
  await first.closed;
  const second = await harness.server.loggedIn();
  second.accept(await second.nextOf('normal'), 1);
  await receipt;
});

test('a send rejects with SendUnknownError at its deadline, which says whether it was ever written', async () => {
  const [client, peer] = await harness.online({ timings: { deadlineMs: 30 } });
  const written = client.sendText(bob, 'written');
  await peer.nextOf('normal');
  client.networkLost();
  const unwritten = client.sendText(bob, 'not written');
  const errors = await Promise.all([written, unwritten].map(({ receipt }) => receipt.catch((error: unknown) => error)));
  expect(errors.every((error) => error instanceof SendUnknownError)).toBe(true);
  expect(errors).toMatchObject([{ neverSent: false }, { neverSent: true }]);
  expect(client.pending).toBe(0);
});

test('the outbox is bounded and respects `unansweredSends` of the login', async () => {
  const limits = { ...LIMITS, unansweredSends: 2 };
  const [client, peer] = await harness.online({ bounds: { outbox: 4 } }, { limits });
  const sendings = [1, 2, 3, 4].map((n) => client.sendText(bob, `m${n}`));
  expect(() => client.sendText(bob, 'one too many')).toThrow(OutboxFullError);
  const first = await peer.nextOf('normal');
  await peer.nextOf('normal');
  // The login and two messages; the client must send nothing else before an answer.
  expect(peer.seen).toHaveLength(3);
  peer.accept(first, 1);
  expect(text(await peer.nextOf('normal'))).toBe('m3');
  expect(peer.seen).toHaveLength(4);
  expect(client.pending).toBe(3);
  await sendings[0]?.receipt;
});

test('the client stays below `framesPerSecond` of the login', async () => {
  const limits = { ...LIMITS, framesPerSecond: 50 };
  const [client, peer] = await harness.online({}, { limits });
  const from = performance.now();
  for (let n = 0; n < 60; n++) client.sendText(bob, `m${n}`);
  await texts(peer, 60);
  // 45 at once, then 45 per second: the last 15 take a third of a second.
  expect(performance.now() - from).toBeGreaterThan(250);
});

test('the client refuses messages that the server would refuse for size or content', async () => {
  const [client, peer] = await harness.online({}, { limits: { ...LIMITS, frameBytes: 1000 } });
  const outcome = (content: Record<string, unknown>): Promise<unknown> =>
    client.send(bob, content).receipt.catch((error: unknown) => error);
  expect(await outcome({ text: 'x'.repeat(1000) })).toMatchObject({ name: 'SendRefusedError', error: 'frameTooLarge' });
  expect(await outcome({ text: 'a\u0000b' })).toMatchObject({ name: 'SendRefusedError', error: 'badText' });
  expect(await outcome({ text: '\ud800' })).toMatchObject({ name: 'SendRefusedError', error: 'badText' });
  expect(await outcome({ text: 'x', n: 2 ** 60 })).toMatchObject({ name: 'SendRefusedError', error: 'badField' });
  expect(peer.seen).toHaveLength(1);
});

test('the client treats an unsettled client id as the same message, and throws for another content or target', async () => {
  const [client, peer] = await harness.online();
  const one = client.sendText(bob, 'same', { clientMsgID: 'c1', sendTime: '1' });
  // A caller that retries may not know the first sendTime.
  const other = client.sendText(bob, 'same', { clientMsgID: 'c1' });
  expect(() => client.sendText(bob, 'different', { clientMsgID: 'c1' })).toThrow(ClientIdInUseError);
  expect(() => client.sendText({ user: 'carol' }, 'same', { clientMsgID: 'c1' })).toThrow(ClientIdInUseError);
  const frame = await peer.nextOf('normal');
  expect(frame.sendTime).toBe('1');
  peer.accept(frame, 1);
  expect(await one.receipt).toEqual(await other.receipt);
  expect(peer.seen).toHaveLength(2);
});

test('the observer receives every event, repeated receipts included', async () => {
  const events: Observed[] = [];
  const [client, peer] = await harness.online({ observer: (event) => events.push(event) });
  const { receipt, clientMsgID } = client.sendText(bob, 'hi');
  const frame = await peer.nextOf('normal');
  peer.accept(frame, 1);
  peer.accept(frame, 1);
  await receipt;
  await until('both receipts', () => events.filter(({ ev }) => ev === 'ok').length === 2);
  expect(events.map(({ ev }) => ev)).toEqual(['connected', 'confirmed', 'invoke', 'ok', 'ok']);
  expect(events[2]).toMatchObject({ clientMsgID, target: 'u:bob' });
});
