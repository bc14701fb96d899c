import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { RequestRefusedError, RequestTimeoutError } from './errors.js';
import { delivery, LIMITS, type Peer } from './testing/fake-server.js';
import { Harness, until } from './testing/harness.js';

let harness: Harness;

beforeEach(async () => {
  harness = await Harness.start();
});

afterEach(() => harness.stop());

test('history() requests a page and returns the answer', async () => {
  const [client, peer] = await harness.online();
  const page = client.history({ group: 'g1' }, { afterSeq: 5, limit: 2 });
  const frame = await peer.nextOf('history');
  expect(frame).toMatchObject({ chatType: 'groupChat', groupID: 'g1', afterSeq: 5, limit: 2 });
  const messages = [delivery(6), delivery(7)];
  peer.send({
    messageType: 'historyReceipt',
    requestID: frame.requestID,
    conversationID: 'g_g1',
    messages,
    hasMore: true,
  });
  expect(await page).toEqual({ conversationID: 'g_g1', messages, hasMore: true });
});

test('history() repeats a request after a reconnect or a temporary error, and rejects after a final error', async () => {
  const [client, first] = await harness.online();
  const page = client.history({ user: 'bob' });
  await first.nextOf('history');
  first.cut();
  const second = await harness.server.loggedIn();
  const { requestID } = await second.nextOf('history');
  const error = { messageType: 'error', requestID, reason: 'because' };
  second.send({ ...error, code: 2001, name: 'unavailable', temporary: true });
  expect(await second.nextOf('history')).toMatchObject({ requestID });
  second.send({ ...error, code: 1201, name: 'notAllowed', temporary: false });
  await expect(page).rejects.toBeInstanceOf(RequestRefusedError);
});

test('history() rejects after its timeout, and when too many requests wait', async () => {
  const [client] = await harness.online({ timings: { historyMs: 30 }, bounds: { requests: 1 } });
  const page = client.history({ user: 'bob' });
  await expect(client.history({ user: 'bob' })).rejects.toBeInstanceOf(RequestRefusedError);
  await expect(page).rejects.toBeInstanceOf(RequestTimeoutError);
});

/** Answers the next request with an empty page and returns its `toUserID`. */
async function answer(peer: Peer): Promise<unknown> {
  const { requestID, toUserID } = await peer.nextOf('history');
  peer.send({ messageType: 'historyReceipt', requestID, conversationID: 'p_x', messages: [], hasMore: false });
  return toUserID;
}

const requests = (peer: Peer): number => peer.seen.filter(({ messageType }) => messageType === 'history').length;

test('history() keeps at most four requests in flight and sends the others in order', async () => {
  const [client, peer] = await harness.online();
  const users = ['a', 'b', 'c', 'd', 'e', 'f'];
  const pages = users.map((user) => client.history({ user }));
  client.sendText({ user: 'bob' }, 'behind the requests');
  await until('the message', () => peer.seen.some(({ messageType }) => messageType === 'normal'));
  expect(requests(peer)).toBe(4);
  expect(await answer(peer)).toBe('a');
  await pages[0];
  for (const user of users.slice(1)) expect(await answer(peer)).toBe(user);
  await Promise.all(pages);
  expect(requests(peer)).toBe(6);
});

test('history() repeats temporarily refused requests before it sends new ones', async () => {
  const [client, peer] = await harness.online();
  const pages = ['a', 'b', 'c', 'd', 'e'].map((user) => client.history({ user }));
  const refused = [];
  for (let n = 0; n < 4; n++) refused.push((await peer.nextOf('history')).requestID);
  for (const requestID of refused)
    peer.send({ messageType: 'error', requestID, code: 2001, name: 'unavailable', temporary: true, reason: 'busy' });
  const again = [await answer(peer), await answer(peer), await answer(peer), await answer(peer), await answer(peer)];
  expect(again).toEqual(['a', 'b', 'c', 'd', 'e']);
  await Promise.all(pages);
});

test('history() stays below `framesPerSecond` of the login', async () => {
  const limits = { ...LIMITS, framesPerSecond: 50 };
  const [client, peer] = await harness.online({}, { limits });
  const from = performance.now();
  const pages = Array.from({ length: 60 }, () => client.history({ user: 'bob' }));
  for (let n = 0; n < 60; n++) await answer(peer);
  await Promise.all(pages);
  // 45 at once, then 45 per second: the last 15 take a third of a second.
  expect(performance.now() - from).toBeGreaterThan(250);
});
