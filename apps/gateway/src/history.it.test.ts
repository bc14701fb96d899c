import { beforeEach, expect, test } from '@jest/globals';
import { encodeLines, pairConversation, subjects, type HistoryReply, type HistoryRequest } from '@huizhi/protocol';
import { GatewayFixture } from './testing/gateway-fixture.js';

const TIMEOUT_MS = 600;
/** The default of the variable. */
const DEFAULT_TIMEOUT_MS = 5_000;
const fixture = GatewayFixture.forEachTest({ HZ_HISTORY_TIMEOUT: `${TIMEOUT_MS}ms` });
let asked: HistoryRequest[];

beforeEach(() => {
  asked = [];
});

/** The instances of the message service: each request gets the next of these answers; undefined means no answer. */
function instances(...answers: ([head: HistoryReply, ...deliveries: string[]] | undefined)[]): void {
  fixture.bus.subscribe(subjects.history, (payload, _, reply) => {
    asked.push(JSON.parse(Buffer.from(payload).toString()) as HistoryRequest);
    const answer = answers[asked.length - 1];
    if (answer && reply) fixture.bus.respond(reply, encodeLines(answer[0], answer.slice(1) as string[]));
  });
}

const ask = { messageType: 'history', requestID: 'r1', chatType: 'userChat', toUserID: 'bob', limit: 10 };

test('the gateway returns a page from the log, requested for the user of the session', async () => {
  instances([{ hasMore: true }, '{"messageID":"1024","seq":1}', '{"messageID":"2048","seq":2}']);
  const alice = await fixture.login('alice');
  alice.send({ ...ask, fromUserID: 'mallory', beforeSeq: '3' });
  expect(await alice.frame({ messageType: 'historyReceipt' })).toEqual({
    messageType: 'historyReceipt',
    requestID: 'r1',
    conversationID: pairConversation('alice', 'bob'),
    messages: [
      { messageID: '1024', seq: 1 },
      { messageID: '2048', seq: 2 },
    ],
    hasMore: true,
  });
  expect(asked).toEqual([
    { user: 'alice', conversation: pairConversation('alice', 'bob'), to: 'bob', beforeSeq: 3, limit: 10 },
  ]);
});

test('the gateway asks another instance when one is silent or cut off from its database', async () => {
  instances(undefined, [{ hasMore: false, error: 'unavailable' }], [{ hasMore: false }]);
  const alice = await fixture.login('alice');
  alice.send(ask);
  expect(await alice.frame({ requestID: 'r1' })).toMatchObject({ messageType: 'historyReceipt', messages: [] });
  expect(asked).toHaveLength(3);
});

test('unanswered queries end as unavailable after their timeout, and new ones are accepted', async () => {
  const silence = Array.from({ length: 12 }, () => undefined);
  instances(...silence, [{ hasMore: false }]);
  const alice = await fixture.login('alice');
  const four = ['r1', 'r2', 'r3', 'r4'];
  const begun = performance.now();
  alice.send(...four.map((requestID) => ({ ...ask, requestID })));
  const pages = await Promise.all(four.map((requestID) => alice.frame({ requestID })));
  const tookMs = performance.now() - begun;
  const reason = 'this cannot be read just now';
  for (const page of pages) expect(page).toMatchObject({ name: 'unavailable', temporary: true, reason });
  // A timer may fire slightly early, and the gateway pauses between attempts.
  expect(tookMs).toBeGreaterThan(TIMEOUT_MS * 0.9);
  expect(tookMs).toBeLessThan(DEFAULT_TIMEOUT_MS);
  // Each query was sent to three instances.
  expect(asked).toHaveLength(silence.length);
  alice.send({ ...ask, requestID: 'r5' });
  expect(await alice.frame({ requestID: 'r5' })).toMatchObject({ messageType: 'historyReceipt' });
});

test('the gateway gives the same answer for a foreign conversation and one that does not exist', async () => {
  instances([{ hasMore: false, error: 'notAllowed' }]);
  const alice = await fixture.login('alice');
  alice.send({ ...ask, chatType: 'groupChat', groupID: 'g1', toUserID: undefined });
  expect(await alice.frame({ requestID: 'r1' })).toMatchObject({ name: 'notAllowed', temporary: false });
  expect(asked).toHaveLength(1);
});
