import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { RequestRefusedError, RequestTimeoutError } from './errors.js';
import { delivery } from './testing/fake-server.js';
import { Harness } from './testing/harness.js';

let harness: Harness;

beforeEach(async () => {
  harness = await Harness.start();
});

afterEach(() => harness.stop());

test('asks and answers, page by page', async () => {
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

test('is asked again after a reconnect and after a temporary error, refused for good otherwise', async () => {
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

test('does not wait for ever, nor for too many', async () => {
  const [client] = await harness.online({ timings: { historyMs: 30 }, bounds: { requests: 1 } });
  const page = client.history({ user: 'bob' });
  await expect(client.history({ user: 'bob' })).rejects.toBeInstanceOf(RequestRefusedError);
  await expect(page).rejects.toBeInstanceOf(RequestTimeoutError);
});
