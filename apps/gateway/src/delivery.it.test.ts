import { expect, test } from '@jest/globals';
import { eventually } from '@huizhi/dev-env';
import { inboxLaneOf } from '@huizhi/protocol';
import { armFailpoints, enableFailpoints, failpointStatus, resetFailpoints } from '@huizhi/runtime';
import { Clock } from './testing/clock.js';
import { receiptEverything } from './testing/receipts.js';
import { GatewayFixture } from './testing/gateway-fixture.js';

const fixture = GatewayFixture.forEachTest();

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);

test('a session receives waiting entries as batches in order, then live ones, each once', async () => {
  for (let i = 1; i <= 450; i++) fixture.offline.put('bob', `old ${i}`);
  const bob = await fixture.connect();
  receiptEverything(bob);
  await fixture.loginOn(bob, 'bob');
  expect(bob.frames[0]).toMatchObject({ inboxSeq: 0, head: 450, waiting: 450, generation: 'g1', heartbeat: 20 });
  await bob.frame({ inboxSeq: 450 });
  for (let i = 1; i <= 20; i++) fixture.offline.deliver('bob', `new ${i}`);
  await bob.frame({ inboxSeq: 470 });
  expect(bob.delivered).toEqual(range(1, 470));
  expect(bob.lines.filter(Array.isArray).map((batch) => batch.length)).toEqual([200, 200, 50]);
});

test('the gateway writes an array during catch-up, even for one entry, and a single frame when live', async () => {
  fixture.offline.put('bob', 'old');
  const bob = await fixture.login('bob');
  await bob.frame({ inboxSeq: 1 });
  fixture.offline.deliver('bob', 'new');
  await bob.frame({ inboxSeq: 2 });
  expect(bob.lines.map((line) => Array.isArray(line))).toEqual([false, true, false]);
});

test('version 1 gets no arrays, may log in without messageType, and sends a heartbeat per second', async () => {
  await fixture.restart({ HZ_AUTH: 'open', HZ_JWT_SECRET: '' });
  for (let i = 1; i <= 5; i++) fixture.offline.put('bob', `old ${i}`);
  const bob = await fixture.connect();
  bob.send({ versionCode: 1, fromUserID: 'bob', beatID: '1' });
  expect(await bob.frame({ messageType: 'loginReceipt' })).toMatchObject({
    code: 0,
    heartbeat: 1,
    deviceID: 'default',
  });
  await bob.frame({ inboxSeq: 5 });
  expect(bob.lines.some(Array.isArray)).toBe(false);
  bob.send({ beatID: 77 });
  expect(await bob.frame({ beatID: '77' })).toMatchObject({ inboxSeq: 5, serverTime: expect.stringMatching(/^\d+$/) });
});

test('the gateway stores receipts as a contiguous cursor and confirms it once stored', async () => {
  const bob = await fixture.login('bob');
  for (let i = 1; i <= 5; i++) fixture.offline.deliver('bob', `m${i}`);
  await bob.frame({ inboxSeq: 5 });
  const id = (n: number): string => fixture.offline.messageIDOf('bob', n);
  bob.send({ messageType: 'receipt', messageIDs: [id(3), id(2)] });
  expect(await bob.frame({ messageType: 'receiptConfirm' })).toMatchObject({ inboxSeq: 0 });
  bob.send({ messageType: 'receipt', messageID: id(1) });
  await bob.frame({ messageType: 'receiptConfirm', inboxSeq: 3 });
  bob.send({ messageType: 'receipt', upTo: 999 });
  await bob.frame({ messageType: 'receiptConfirm', inboxSeq: 5 });
  expect(fixture.offline.cursorOf('bob', 'phone')).toBe(5);
});

test('a receipt for a confirmed, unknown or foreign message is answered alike and changes nothing', async () => {
  const bob = await fixture.login('bob');
  fixture.offline.deliver('bob', 'm1');
  fixture.offline.put('carol', 'hers');
  await bob.frame({ inboxSeq: 1 });
  bob.send({ messageType: 'receipt', upTo: 1 });
  await bob.frame({ messageType: 'receiptConfirm', inboxSeq: 1 });
  for (const messageID of [
    fixture.offline.messageIDOf('bob', 1),
    fixture.offline.messageIDOf('carol', 1),
    '99999999',
  ]) {
    const before = bob.all({ messageType: 'receiptConfirm' }).length;
    bob.send({ messageType: 'receipt', messageID });
    await eventually('the confirm', () => bob.all({ messageType: 'receiptConfirm' }).length > before);
  }
  expect(new Set(bob.all({ messageType: 'receiptConfirm' }).map(({ inboxSeq }) => inboxSeq))).toEqual(new Set([1]));
  expect(fixture.offline.cursors).toHaveLength(1);
});

test('the gateway repeats the cursor until it is confirmed', async () => {
  await fixture.restart({ HZ_CURSOR_REPEAT: '200ms' });
  const bob = await fixture.login('bob');
  fixture.offline.confirms = false;
  fixture.offline.deliver('bob', 'm1');
  await bob.frame({ inboxSeq: 1 });
  bob.send({ messageType: 'receipt', upTo: 1 });
  await eventually('three cursors', () => fixture.offline.cursors.length >= 3);
  expect(bob.all({ messageType: 'receiptConfirm' })).toEqual([]);
  fixture.offline.confirms = true;
  await bob.frame({ messageType: 'receiptConfirm', inboxSeq: 1 });
});

test('the gateway fetches missing entries in order when a live entry shows a gap', async () => {
  const bob = await fixture.login('bob');
  fixture.offline.deliver('bob', 'm1');
  fixture.offline.put('bob', 'lost event');
  fixture.offline.deliver('bob', 'm3');
  await bob.frame({ inboxSeq: 3 });
  expect(bob.delivered).toEqual([1, 2, 3]);
});

test('the gateway detects the loss of the last message when the tick arrives', async () => {
  const bob = await fixture.login('bob');
  fixture.offline.deliver('bob', 'm1');
  await bob.frame({ inboxSeq: 1 });
  fixture.offline.put('bob', 'm2');
  fixture.offline.lose('bob');
  fixture.offline.tick('bob');
  await bob.frame({ inboxSeq: 2 });
});

test('the gateway asks a new owner of the inbox lane for the head', async () => {
  const bob = await fixture.login('bob');
  fixture.offline.put('bob', 'm1');
  fixture.offline.takeOver(inboxLaneOf('bob', 16));
  await bob.frame({ inboxSeq: 1 });
});

test('the login receipt counts entries as waiting that came while the login was answered', async () => {
  fixture.offline.put('bob', 'old');
  fixture.offline.beforeAnswer = ({ user }) => void fixture.offline.deliver(user, 'early');
  const bob = await fixture.login('bob');
  expect(bob.frames[0]).toMatchObject({ inboxSeq: 0, head: 2, waiting: 2 });
  await bob.frame({ inboxSeq: 2 });
});

test('the gateway repeats the attachment to a new owner until it is answered', async () => {
  const bob = await fixture.login('bob');
  fixture.offline.put('bob', 'm1');
  fixture.offline.losesAttaches = 1;
  fixture.offline.takeOver(inboxLaneOf('bob', 16));
  await bob.frame({ inboxSeq: 1 });
  expect(fixture.offline.attaches).toHaveLength(2);
});

test('a session catches up when the bus is back', async () => {
  const bob = await fixture.login('bob');
  await fixture.nats.kill9();
  fixture.offline.put('bob', 'm1');
  fixture.offline.put('bob', 'm2');
  await fixture.nats.restart();
  await bob.frame({ inboxSeq: 2 });
  expect(bob.delivered).toEqual([1, 2]);
});

test('the gateway skips void entries, sets prevInboxSeq, and counts void entries as receipted in order', async () => {
  const bob = await fixture.login('bob');
  fixture.offline.deliver('bob', 'm1');
  fixture.offline.deliverVoid('bob');
  fixture.offline.deliver('bob', 'm3');
  expect(await bob.frame({ inboxSeq: 3 })).toMatchObject({ prevInboxSeq: 1 });
  bob.send({ messageType: 'receipt', messageID: fixture.offline.messageIDOf('bob', 1) });
  await bob.frame({ messageType: 'receiptConfirm', inboxSeq: 2 });
});

test('a heartbeat answer names the last entry for the device, also when the inbox lane has a new owner', async () => {
  const bob = await fixture.login('bob');
  const beat = async (): Promise<unknown> => {
    const beatID = String(Math.random());
    bob.send({ beatID });
    return (await bob.frame({ beatID })).inboxSeq;
  };
  fixture.offline.deliver('bob', 'm1');
  await bob.frame({ inboxSeq: 1 });
  expect(await beat()).toBe(1);
  for (let n = 0; n < 2; n++) fixture.offline.deliverVoid('bob');
  bob.send({ messageType: 'receipt', upTo: 1 });
  await bob.frame({ messageType: 'receiptConfirm', inboxSeq: 3 });
  expect(await beat()).toBe(1);
  // The announcements of these entries are lost; the new owner sends the head.
  for (let n = 0; n < 2; n++) fixture.offline.putVoid('bob');
  fixture.offline.takeOver(inboxLaneOf('bob', 16));
  await eventually('the cursor', () => fixture.offline.cursorOf('bob', 'phone') === 5);
  expect(await beat()).toBe(1);
  fixture.offline.answersFetch = false;
  fixture.offline.put('bob', 'm6');
  fixture.offline.lose('bob');
  fixture.offline.tick('bob');
  await eventually('a head that is ahead', async () => (await beat()) === 6);
});

test('the login receipt counts neither head nor waiting entries for the sends of the device itself', async () => {
  for (const user of ['bob', 'carol']) for (let n = 0; n < 2; n++) fixture.offline.putVoid(user);
  const carol = await fixture.login('carol');
  expect(carol.frames[0]).toMatchObject({ inboxSeq: 0, head: 0, waiting: 0 });
  fixture.offline.put('bob', 'm3');
  fixture.offline.putVoid('bob');
  const bob = await fixture.login('bob');
  expect(bob.frames[0]).toMatchObject({ inboxSeq: 0, head: 3, waiting: 1 });
  await bob.frame({ inboxSeq: 3 });
  bob.send({ messageType: 'receipt', upTo: 3 });
  await eventually('the cursor', () => fixture.offline.cursorOf('bob', 'phone') === 4);
  const again = await fixture.login('bob');
  expect(again.frames[0]).toMatchObject({ inboxSeq: 4, head: 4, waiting: 0 });
  again.send({ beatID: 'b' });
  expect(await again.frame({ beatID: 'b' })).toMatchObject({ inboxSeq: 4 });
});

test('the login receipt does not count a void entry as waiting when it comes during the login', async () => {
  fixture.offline.put('bob', 'old');
  fixture.offline.beforeAnswer = ({ user }) => void fixture.offline.deliverVoid(user);
  const bob = await fixture.login('bob');
  expect(bob.frames[0]).toMatchObject({ inboxSeq: 0, head: 1, waiting: 1 });
});

test('the gateway redelivers unreceipted entries in order, and no receipted ones', async () => {
  const clock = new Clock();
  await fixture.restart({ HZ_REDELIVER_AFTER: '10s' }, clock);
  const bob = await fixture.login('bob');
  for (let i = 1; i <= 4; i++) fixture.offline.deliver('bob', `m${i}`);
  await bob.frame({ inboxSeq: 4 });
  bob.send({
    messageType: 'receipt',
    messageIDs: [fixture.offline.messageIDOf('bob', 1), fixture.offline.messageIDOf('bob', 3)],
  });
  await bob.frame({ messageType: 'receiptConfirm', inboxSeq: 1 });
  clock.turn(10_000);
  await eventually('the repeats', () => bob.delivered.length >= 6);
  expect(bob.delivered).toEqual([1, 2, 3, 4, 2, 4]);
  bob.send({ messageType: 'receipt', upTo: 4 });
  await bob.frame({ messageType: 'receiptConfirm', inboxSeq: 4 });
  const { length } = bob.delivered;
  fixture.offline.deliver('bob', 'm5');
  await bob.frame({ inboxSeq: 5 });
  clock.turn(30_000);
  await eventually('the repeat', () => bob.delivered.length >= length + 2);
  expect(bob.delivered.slice(length)).toEqual([5, 5]);
});

test('the gateway delivers at most the window, and more when receipts come', async () => {
  await fixture.restart({ HZ_WINDOW: '10', HZ_BATCH_ENTRIES: '4' });
  for (let i = 1; i <= 25; i++) fixture.offline.put('bob', `m${i}`);
  const bob = await fixture.login('bob');
  await bob.frame({ inboxSeq: 10 });
  bob.send({ messageType: 'receipt', upTo: 3 });
  await bob.frame({ inboxSeq: 13 });
  expect(bob.delivered).toEqual(range(1, 13));
});

test('the gateway closes a session that receipts nothing while its window is full', async () => {
  await fixture.restart({
    HZ_WINDOW: '10',
    HZ_BATCH_ENTRIES: '4',
    HZ_RECEIPT_OVERDUE: '2s',
    HZ_REDELIVER_AFTER: '300ms',
  });
  for (let i = 1; i <= 30; i++) fixture.offline.put('bob', `m${i}`);
  const bob = await fixture.login('bob');
  const carol = await fixture.login('carol');
  expect(await bob.frame({ messageType: 'close' })).toMatchObject({ name: 'receiptOverdue', reconnect: true });
  await bob.closed();
  expect(Math.max(...bob.delivered)).toBe(10);
  await eventually('the end of the session', () => fixture.offline.closes.some(({ user }) => user === 'bob'));
  fixture.offline.deliver('carol', 'still here');
  await carol.frame({ inboxSeq: 1 });
});

test('the gateway delivers little to a device that receipts nothing, and closes it while entries wait', async () => {
  const clock = new Clock();
  await fixture.restart({ HZ_STALE_AFTER: '24h', HZ_HEARTBEAT_MIN: '24h' }, clock);
  for (let i = 1; i <= 100; i++) fixture.offline.put('bob', 'x'.repeat(30_000));
  const bob = await fixture.login('bob');
  await bob.frame({ inboxSeq: 9 });
  clock.turn(20_000);
  await bob.frame({ inboxSeq: 10 });
  // Later than the time that a slow link may need for the bytes in transit.
  clock.turn(120_000);
  expect(await bob.frame({ messageType: 'close' })).toMatchObject({ name: 'receiptOverdue', reconnect: true });
  await bob.closed();
  expect(Math.max(...bob.delivered)).toBeLessThan(20);
});

test('a login kicks the older session of the device and leaves other devices connected', async () => {
  const phone = await fixture.login('bob');
  const pad = await fixture.login('bob', { deviceID: 'pad' });
  const again = await fixture.login('bob');
  expect(await phone.frame({ messageType: 'close' })).toMatchObject({ name: 'kicked', reconnect: false });
  await phone.closed();
  fixture.offline.deliver('bob', 'm1');
  await again.frame({ inboxSeq: 1 });
  expect(pad.all({ messageType: 'close' })).toEqual([]);
});

test('the gateway closes a session when a request shows that its epoch is outdated', async () => {
  const bob = await fixture.login('bob');
  fixture.offline.put('bob', 'm1');
  const other = fixture.offline;
  Object.assign(other, { say: () => undefined }); // The kick is lost.
  const again = await fixture.login('bob');
  delete (other as Partial<typeof other>).say;
  await again.frame({ inboxSeq: 1 });
  fixture.offline.put('bob', 'm2');
  fixture.offline.takeOver(inboxLaneOf('bob', 16));
  expect(await bob.frame({ messageType: 'close' })).toMatchObject({ name: 'kicked' });
});

test('the gateway continues fetching when the owner was away for a while', async () => {
  await fixture.restart({ HZ_FETCH_TIMEOUT: '200ms' });
  fixture.offline.answersFetch = false;
  fixture.offline.put('bob', 'm1');
  const bob = await fixture.login('bob');
  await eventually('two fetches', () => fixture.offline.fetches.length >= 2);
  fixture.offline.deliver('bob', 'm2');
  fixture.offline.answersFetch = true;
  await bob.frame({ inboxSeq: 2 });
  expect(bob.delivered).toEqual([1, 2]);
});

test.each(['gateway.before-delivery-write', 'gateway.before-cursor'])(
  'delivery recovers when %s fails once',
  async (name) => {
    await fixture.restart({ HZ_CURSOR_REPEAT: '100ms' });
    enableFailpoints();
    try {
      const bob = await fixture.login('bob');
      armFailpoints(`${name}=error@1`);
      fixture.offline.deliver('bob', 'm1');
      await eventually('the failure or the delivery before it', () => bob.delivered.length > 0 || fired(name) > 0);
      fixture.offline.deliver('bob', 'm2');
      await bob.frame({ inboxSeq: 2 });
      bob.send({ messageType: 'receipt', upTo: 2 });
      await bob.frame({ messageType: 'receiptConfirm', inboxSeq: 2 });
      expect([bob.delivered, fired(name)]).toEqual([[1, 2], 1]);
    } finally {
      resetFailpoints();
    }
  },
);
const fired = (name: string): number => failpointStatus().find((point) => point.name === name)?.fired ?? 0;
