import { expect, test } from '@jest/globals';
import { eventually } from '@huizhi/dev-env';
import { TestClient } from './testing/client.js';
import { GatewayFixture } from './testing/gateway-fixture.js';

const fixture = GatewayFixture.forEachTest({ HZ_DRAIN_SPREAD: '0s' });

const text = (clientMsgID: string) => ({
  ...{ messageType: 'normal', chatType: 'userChat', contenType: 'text', toUserID: 'bob', clientMsgID },
  content: { text: clientMsgID },
});
const drain = { messageType: 'close', name: 'drain', reconnect: true, retryAfter: expect.any(Number) };

test('a drain closes each session when its sends are answered, and refuses new sends meanwhile', async () => {
  const alice = await fixture.login('alice');
  const bob = await fixture.login('bob');
  fixture.message.answer = () => undefined;
  alice.send(text('m1'));
  await eventually('the send', () => fixture.message.seen.length > 0);
  const stopped = fixture.gateway.stop();
  expect(await bob.frame({ messageType: 'close' })).toEqual(expect.objectContaining(drain));
  alice.send(text('m2'), { beatID: 'still here' });
  expect(await alice.frame({ messageType: 'error' })).toMatchObject({ name: 'unavailable', clientMsgID: 'm2' });
  await alice.frame({ beatID: 'still here' });
  fixture.message.answer = ({ send }) => fixture.message.store(send);
  expect(await alice.frame({ messageType: 'close' })).toEqual(expect.objectContaining(drain));
  const types = alice.frames.map(({ messageType }) => messageType);
  expect(types).toEqual(['loginReceipt', 'error', undefined, 'normalReceipt', 'close']);
  await stopped;
});

test('a drain spreads the closes and serves each client until its close', async () => {
  await fixture.restart({ HZ_DRAIN_SPREAD: '3s' });
  const clients = await Promise.all(Array.from({ length: 40 }, (_, i) => fixture.login(`user${i}`)));
  const slots = new Set<number>();
  const stopped = fixture.gateway.stop();
  const begun = performance.now();
  await Promise.all(
    clients.map(async (client) => {
      client.send(text('m1'));
      expect(await client.frame((frame) => frame.clientMsgID === 'm1')).toMatchObject({ messageType: 'normalReceipt' });
      const { retryAfter } = await client.frame({ messageType: 'close', name: 'drain' });
      expect(retryAfter).toBeGreaterThanOrEqual(0);
      expect(retryAfter).toBeLessThan(500);
      slots.add(Math.floor((performance.now() - begun) / 100));
    }),
  );
  expect(slots.size).toBeGreaterThan(3);
  await stopped;
});

test('a drain waits for answers at most HZ_DRAIN_TIMEOUT', async () => {
  await fixture.restart({ HZ_DRAIN_SPREAD: '0s', HZ_DRAIN_TIMEOUT: '300ms' });
  const alice = await fixture.login('alice');
  fixture.message.answer = () => undefined;
  alice.send(text('m1'));
  await eventually('the send', () => fixture.message.seen.length > 0);
  await fixture.gateway.stop();
  expect(alice.frames.map(({ messageType }) => messageType)).toEqual(['loginReceipt', 'close']);
});

test('a drain serves clients during the delay, then accepts no connection', async () => {
  await fixture.restart({ HZ_DRAIN_SPREAD: '0s', HZ_DRAIN_DELAY: '3s' });
  const alice = await fixture.login('alice');
  const stopped = fixture.gateway.stop();
  const bob = await fixture.login('bob');
  bob.send(text('m1'));
  await bob.frame({ messageType: 'normalReceipt' });
  expect(alice.all({ messageType: 'close' })).toEqual([]);
  const { port } = fixture.gateway;
  await Promise.all([alice, bob].map((client) => client.frame({ messageType: 'close', name: 'drain' })));
  await expect(TestClient.connect(port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  await stopped;
});

test('a drain lets a login in progress finish and then closes its session', async () => {
  fixture.offline.answersOpen = false;
  const alice = fixture.login('alice');
  await eventually('an attempt', () => fixture.offline.opens.length > 0);
  const stopped = fixture.gateway.stop();
  fixture.offline.answersOpen = true;
  await (await alice).frame({ messageType: 'close', name: 'drain' });
  await stopped;
});

test('a drain ends at once when no client is connected', async () => {
  await fixture.restart({ HZ_DRAIN_SPREAD: '1h', HZ_DRAIN_TIMEOUT: '1h' });
  await fixture.gateway.stop();
});
