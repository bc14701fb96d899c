import { expect, test } from '@jest/globals';
import { eventually } from '@huizhi/dev-env';
import { groupIdOf, laneOf, pairConversation } from '@huizhi/protocol';
import { GatewayFixture } from './testing/gateway-fixture.js';

const fixture = GatewayFixture.forEachTest({ HZ_RESEND_AFTER: '200ms', HZ_SEND_TIMEOUT: '1h' });

const chat = (clientMsgID: string, text = 'hello', toUserID = 'bob') => ({
  messageType: 'normal',
  chatType: 'userChat',
  contenType: 'text',
  toUserID,
  clientMsgID,
  sendTime: '1700000000001',
  content: { text },
});

test('the gateway answers a message with its receipt once it is stored', async () => {
  const alice = await fixture.login('alice');
  alice.send(chat('m1'));
  expect(await alice.frame({ messageType: 'normalReceipt' })).toEqual({
    messageType: 'normalReceipt',
    messageID: String(1024 + laneOf(pairConversation('alice', 'bob'), 32)),
    conversationID: pairConversation('alice', 'bob'),
    seq: 1,
    serverTime: expect.stringMatching(/^\d+$/),
    clientMsgID: 'm1',
    sendTime: '1700000000001',
  });
});

test('the gateway takes the sender from the session and relays no local field', async () => {
  const alice = await fixture.login('alice', { deviceType: 'iOS' });
  alice.send({
    ...chat('m1'),
    fromUserID: 'mallory',
    deviceType: 'x',
    beatID: 'b',
    isSend: true,
    seq: 9,
    nickName: 'M',
  });
  await alice.frame({ messageType: 'normalReceipt' });
  expect(fixture.message.seen[0]?.body).toEqual({
    messageType: 'normal',
    fromUserID: 'alice',
    chatType: 'userChat',
    contenType: 'text',
    toUserID: 'bob',
    clientMsgID: 'm1',
    sendTime: '1700000000001',
    deviceType: 'iOS',
    content: { text: 'hello' },
  });
});

test('the gateway derives the id of a group from its creator and the client id', async () => {
  const alice = await fixture.login('alice');
  alice.send({
    messageType: 'createGroup',
    clientMsgID: 'g1',
    groupName: 'Two',
    memberUserIDs: ['bob', 'alice', 'bob'],
  });
  const receipt = await alice.frame({ messageType: 'normalReceipt' });
  expect(receipt).toMatchObject({ groupID: groupIdOf('alice', 'g1'), clientMsgID: 'g1', seq: 1 });
  expect(fixture.message.seen[0]).toMatchObject({
    send: { group: groupIdOf('alice', 'g1'), members: ['bob'] },
    body: { contenType: 'tip', groupName: 'Two', content: { tip: 'groupCreated', memberUserIDs: ['alice', 'bob'] } },
  });
});

test('the gateway keeps one batch unanswered per session and lane, and sends later messages in order', async () => {
  const alice = await fixture.login('alice');
  const { answer } = fixture.message;
  fixture.message.answer = () => undefined;
  alice.send(chat('m1'));
  await eventually('the first batch', () => fixture.message.seen.length > 0);
  alice.send(chat('m2'), chat('m3'));
  fixture.message.answer = answer;
  await alice.frame({ clientMsgID: 'm3' });
  expect(alice.all({ messageType: 'normalReceipt' }).map(({ clientMsgID, seq }) => [clientMsgID, seq])).toEqual([
    ['m1', 1],
    ['m2', 2],
    ['m3', 3],
  ]);
});

test('the gateway repeats an unanswered batch unchanged and settles it once', async () => {
  const alice = await fixture.login('alice');
  const { answer } = fixture.message;
  fixture.message.answer = (seen) => (fixture.message.payloads.length < 3 ? undefined : answer(seen));
  alice.send(chat('m1'));
  await alice.frame({ clientMsgID: 'm1' });
  expect(fixture.message.payloads.length).toBeGreaterThanOrEqual(3);
  expect(new Set(fixture.message.payloads).size).toBe(1);
  expect(alice.all({ messageType: 'normalReceipt' })).toHaveLength(1);
});

test('the gateway repeats a batch at once when the lane has a new owner', async () => {
  await fixture.restart({ HZ_RESEND_AFTER: '1h' });
  const alice = await fixture.login('alice');
  const { answer } = fixture.message;
  fixture.message.answer = () => undefined;
  alice.send(chat('m1'));
  await eventually('the first batch', () => fixture.message.payloads.length === 1);
  fixture.message.answer = answer;
  fixture.message.takeOver(laneOf(pairConversation('alice', 'bob'), 32));
  await alice.frame({ messageType: 'normalReceipt', clientMsgID: 'm1' });
});

test('the gateway settles an unanswered batch when the bus is back', async () => {
  const alice = await fixture.login('alice');
  const { answer } = fixture.message;
  fixture.message.answer = () => undefined;
  alice.send(chat('m1'));
  await eventually('the first batch', () => fixture.message.payloads.length === 1);
  await fixture.nats.kill9();
  fixture.message.answer = answer;
  await fixture.nats.restart();
  await alice.frame({ clientMsgID: 'm1', messageType: 'normalReceipt' });
});

test('a message is answered as unknown when the service is silent, and then accepted first', async () => {
  await fixture.restart({ HZ_SEND_TIMEOUT: '2s' });
  const alice = await fixture.login('alice');
  const { answer } = fixture.message;
  fixture.message.answer = () => undefined;
  alice.send(chat('m1'), chat('m2'));
  expect(await alice.frame({ clientMsgID: 'm1' })).toMatchObject({
    messageType: 'error',
    name: 'unknown',
    temporary: true,
  });
  expect(await alice.frame({ clientMsgID: 'm2' })).toMatchObject({ name: 'unknown' });
  fixture.message.answer = answer;
  alice.send(chat('m2'));
  await alice.frame({ clientMsgID: 'm2', name: 'resendInOrder' });
  alice.send(chat('m1'), chat('m2'));
  expect(await alice.frame({ messageType: 'normalReceipt', clientMsgID: 'm1' })).toMatchObject({ seq: 1 });
  expect(await alice.frame({ messageType: 'normalReceipt', clientMsgID: 'm2' })).toMatchObject({ seq: 2 });
});

test('the gateway distinguishes permanent and temporary refusals', async () => {
  const alice = await fixture.login('alice');
  fixture.message.answer = ({ send }) =>
    send.to === 'unknown-user' ? { error: 'notAllowed', reason: 'no' } : { error: 'unavailable', reason: 'later' };
  alice.send(chat('m1', 'hi', 'unknown-user'), chat('m2', 'hi', 'friend'));
  expect(await alice.frame({ clientMsgID: 'm1' })).toMatchObject({ messageType: 'invalidReceipt', name: 'notAllowed' });
  expect(await alice.frame({ clientMsgID: 'm2' })).toMatchObject({ messageType: 'error', name: 'unavailable' });
});

test('the gateway refuses a malformed message permanently and keeps the connection open', async () => {
  const alice = await fixture.login('alice');
  alice.send({ ...chat('bad'), content: { text: '' } }, { messageType: 'nonsense' }, chat('good'));
  expect(await alice.frame({ clientMsgID: 'bad' })).toMatchObject({
    messageType: 'invalidReceipt',
    name: 'badField',
    sendTime: '1700000000001',
  });
  expect(await alice.frame({ messageType: 'error' })).toMatchObject({ name: 'unsupported' });
  await alice.frame({ messageType: 'normalReceipt', clientMsgID: 'good' });
});

test('the gateway identifies a message without a client id by its content and sendTime', async () => {
  const alice = await fixture.login('alice');
  const { clientMsgID: _, ...message } = chat('x');
  alice.send(message, message, { ...message, content: { text: 'other' } });
  await eventually('three sends', () => fixture.message.seen.length === 3);
  const ids = fixture.message.seen.map(({ send }) => send.clientID);
  expect(ids[0]).toBe(ids[1]);
  expect(ids[2]).not.toBe(ids[0]);
  expect(await alice.frame({ messageType: 'normalReceipt' })).toMatchObject({ sendTime: '1700000000001' });
});

test('the gateway sends to the last announced owner, and to the lane when that owner does not answer', async () => {
  const alice = await fixture.login('alice');
  const { answer, subjects } = fixture.message;
  fixture.message.takeOver(0);
  let n = 0;
  await eventually('a send to the owner', () => {
    alice.send(chat(`m${++n}`));
    return subjects.includes('hz.send.to.another');
  });
  fixture.message.answer = () => undefined;
  subjects.length = 0;
  alice.send(chat('last'));
  await eventually('the owner, then the lane', () => subjects.at(-1) === 'hz.send.0');
  expect(subjects[0]).toBe('hz.send.to.another');
  fixture.message.answer = answer;
  await alice.frame({ clientMsgID: 'last' });
});
