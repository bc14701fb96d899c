import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { Device } from './support/device.js';
import { named, pipeline } from './support/senders.js';
import { TestCluster } from './support/test-cluster.js';

/** What a sender may rely on while only the network and the sender fail. Two instances of every service. */

jest.setTimeout(60_000);

/** The number of a gateway with a short frame deadline. The others wait longer, because single bytes take time. */
const STRICT = 2;
let cluster: TestCluster;

beforeAll(async () => {
  const instances = { gateway: 2, message: 2, offline: 2 };
  const gateway = { HZ_FRAMES_PER_SECOND: '1000', HZ_LOGIN_ATTEMPTS: '1000' };
  cluster = await TestCluster.start({ instances, env: { gateway }, throughProxy: ['gateway.client'] });
  await cluster.system.add('gateway', { HZ_FRAME_DEADLINE: '1500ms' });
}, 120_000);
afterAll(() => cluster?.stop(), 60_000);

/** A sender on the first gateway, a recipient on the second. */
async function pair(word: string): Promise<[Device, Device]> {
  const alice = await cluster.device(cluster.name(`${word}-a`));
  const bob = await cluster.device(cluster.name(`${word}-b`), 'phone', { gateway: 1 });
  return [alice, bob];
}

const user = (device: Device): string => device.options.user;
const identity = ({ messageID, conversationID, seq, serverTime }: Record<string, unknown>): unknown[] => [
  messageID,
  conversationID,
  seq,
  serverTime,
];

/** Checks that every message arrived once on the wire. */
const cameOnce = (device: Device): void => expect(device.seen).toHaveLength(device.messageIDs.size);

describe('resends', () => {
  test('a resend on the same connection gets the same receipt, and the message is stored once', async () => {
    const [alice, bob] = await pair('again');
    alice.text(user(bob), 'm1');
    const first = await alice.answer('m1');
    for (let n = 0; n < 5; n++) {
      alice.text(user(bob), 'm1');
      expect(identity(await alice.answer('m1'))).toEqual(identity(first));
    }
    const last = await alice.settle(user(bob), 'm2');
    expect(last.seq).toBe(2);
    await bob.sawMessages(2);
    await cluster.nothingLost(alice, bob, [first, last]);
    cameOnce(bob);
  });

  test('many messages that are each sent twice in a row are stored once and in order', async () => {
    const [alice, bob] = await pair('twice');
    const ids = named('m', 40);
    const doubled = ids.flatMap((id) => [id, id]);
    for (const id of doubled) alice.text(user(bob), id);
    const answers = await Promise.all(doubled.map((id) => alice.answer(id)));
    expect(answers.map(({ seq }) => seq)).toEqual(ids.flatMap((_, n) => [n + 1, n + 1]));
    await cluster.nothingLost(alice, bob, answers);
    cameOnce(bob);
  });

  test('a resend through another gateway is the same message', async () => {
    const [alice, bob] = await pair('elsewhere');
    alice.text(user(bob), 'm1');
    const first = await alice.answer('m1');
    await alice.drop();
    const later = await cluster.device(user(alice), 'phone', { gateway: 1 });
    expect(identity(await later.settle(user(bob), 'm1'))).toEqual(identity(first));
    const tablet = await cluster.device(user(alice), 'tablet');
    expect(identity(await tablet.settle(user(bob), 'm1'))).toEqual(identity(first));
    await cluster.nothingLost(later, bob, [first]);
    cameOnce(bob);
  });

  test('forty unanswered sends that are resent after a lost connection are stored once and in order', async () => {
    const [alice, bob] = await pair('cut');
    const ids = named('m', 40);
    for (const id of ids) alice.text(user(bob), id);
    const first = await alice.answer('m0');
    await alice.drop();
    const later = await cluster.device(user(alice), 'phone', { gateway: 1 });
    const receipts = await pipeline(later, user(bob), ids);
    expect(receipts.map(({ seq }) => seq)).toEqual(ids.map((_, n) => n + 1));
    expect(identity(receipts[0]!)).toEqual(identity(first));
    await cluster.nothingLost(later, bob, receipts);
  });

  test('one client id through two gateways at once is one message with the same receipt', async () => {
    const [alice, bob] = await pair('race');
    const tablet = await cluster.device(user(alice), 'tablet', { gateway: 1 });
    const ids = named('m', 30);
    // The content is equal, and the clocks of the two devices do not count.
    for (const id of ids) for (const device of [alice, tablet]) device.text(user(bob), id);
    const [one = [], other = []] = await Promise.all(
      [alice, tablet].map((device) => Promise.all(ids.map((id) => device.answer(id)))),
    );
    expect(one.map(({ messageType }) => messageType)).toEqual(ids.map(() => 'normalReceipt'));
    expect(other.map(identity)).toEqual(one.map(identity));
    await cluster.nothingLost(alice, bob, one);
    cameOnce(bob);
  });

  test('a client id with other content is refused, and the first message stays', async () => {
    const [alice, bob] = await pair('conflict');
    alice.text(user(bob), 'm1', 'the first');
    const first = await alice.answer('m1');
    alice.text(user(bob), 'm1', 'another');
    expect(await alice.answer('m1')).toMatchObject({ messageType: 'invalidReceipt', name: 'conflict' });
    alice.text(user(bob), 'm1', 'the first');
    expect(identity(await alice.answer('m1'))).toEqual(identity(first));
    await cluster.nothingLost(alice, bob, [first]);
    expect(bob.seen.map(({ content }) => content)).toEqual([{ text: 'the first' }]);
  });

  test('a resend with zero instead of minus zero is the same message, with and without a client id', async () => {
    const [alice, bob] = await pair('zero');
    const [clientMsgID, sendTime] = ['m1', String(Date.now())];
    const frame = {
      messageType: 'normal',
      chatType: 'userChat',
      contenType: 'file',
      toUserID: user(bob),
      content: '?',
    };
    const receipts = [];
    for (const id of [{ clientMsgID }, { sendTime }]) {
      for (const zero of ['-0', '0', '-0.0']) {
        const content = `{"fileSize":${zero},"list":[${zero}]}`;
        alice.raw(`${JSON.stringify({ ...frame, ...id }).replace('"?"', content)}\n`);
        receipts.push(await alice.next({ messageType: 'normalReceipt', ...id }));
      }
    }
    expect(receipts.map(({ seq }) => seq)).toEqual([1, 1, 1, 2, 2, 2]);
    await bob.sawMessages(2);
    expect(bob.seen.map(({ content }) => content)).toEqual([1, 2].map(() => ({ fileSize: 0, list: [0] })));
    expect(await cluster.history(alice, user(bob))).toHaveLength(2);
  });

  test('the same client id of the other user of the conversation is a separate message', async () => {
    const [alice, bob] = await pair('own');
    const [carol] = await pair('third');
    alice.text(user(bob), 'm1', 'from one');
    const one = await alice.answer('m1');
    bob.text(user(alice), 'm1', 'from the other');
    const other = await bob.answer('m1');
    carol.text(user(bob), 'm1', 'from a third');
    const third = await carol.answer('m1');
    expect([one, other, third].map(({ messageType, seq }) => [messageType, seq])).toEqual([
      ['normalReceipt', 1],
      ['normalReceipt', 2],
      ['normalReceipt', 1],
    ]);
    expect(new Set([one, other, third].map(({ messageID }) => messageID)).size).toBe(3);
    await alice.sawMessages(1);
    await bob.sawMessages(2);
  });

  test('a resend without client id is recognised, and two messages of one millisecond are both stored', async () => {
    const [alice, bob] = await pair('nameless');
    const sendTime = String(Date.now());
    const frame = { messageType: 'normal', chatType: 'userChat', contenType: 'text', toUserID: user(bob), sendTime };
    for (const text of ['one', 'two', 'one']) alice.say({ ...frame, content: { text } });
    const answers = [];
    for (let n = 0; n < 3; n++) answers.push(await alice.next({ messageType: 'normalReceipt', sendTime }));
    expect(answers.map(({ seq }) => seq)).toEqual([1, 2, 1]);
    expect(identity(answers[2]!)).toEqual(identity(answers[0]!));
    await bob.sawMessages(2);
    expect(bob.seen.map(({ content }) => content)).toEqual([{ text: 'one' }, { text: 'two' }]);
    expect((await cluster.history(alice, user(bob))).map(({ seq }) => seq)).toEqual([1, 2]);
  });
});

describe('frames in pieces', () => {
  const frame = (to: string, clientMsgID: string, text: string): string =>
    JSON.stringify({
      ...{ messageType: 'normal', chatType: 'userChat', contenType: 'text' },
      ...{ toUserID: to, clientMsgID, content: { text } },
    });

  const written = (device: Device, bytes: Buffer): Promise<void> =>
    new Promise((resolve, reject) => device.socket.write(bytes, (error) => (error ? reject(error) : resolve())));

  test('the gateway closes a connection as `frameTimeout` after a partial frame and stores nothing', async () => {
    const [alice, bob] = await pair('half');
    const whole = await alice.settle(user(bob), 'whole');
    const half = await cluster.device(user(alice), 'tablet', { gateway: STRICT });
    half.raw(frame(user(bob), 'half', 'never ended').slice(0, -10));
    expect(await half.closed).toMatchObject({ name: 'frameTimeout', reconnect: true });
    await cluster.nothingLost(alice, bob, [whole]);
    expect(await cluster.history(alice, user(bob))).toHaveLength(1);
  });

  test('the gateway counts each frame once with two frames in one segment, CR LF and empty lines', async () => {
    const [alice, bob] = await pair('segments');
    const [a, b, c, d] = named('m', 4).map((id) => frame(user(bob), id, id));
    alice.raw(`${a}\n${b}\n${c}\r\n\r\n\n${d}\r\n`);
    const receipts = await Promise.all(named('m', 4).map((id) => alice.answer(id)));
    expect(receipts.map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
    await cluster.nothingLost(alice, bob, receipts);
    cameOnce(bob);
  });

  test('the gateway reads the same text when it is split at every byte, also within characters', async () => {
    const [alice, bob] = await pair('bytes');
    const texts = ['回执 😀 é 𐍈', '\u2028 "quoted" \\ \t'];
    const receipts = [];
    for (const [n, text] of texts.entries()) {
      for (const byte of Buffer.from(`${frame(user(bob), `m${n}`, text)}\r\n`)) await written(alice, Buffer.of(byte));
      receipts.push(await alice.answer(`m${n}`));
    }
    await cluster.nothingLost(alice, bob, receipts);
    expect(bob.seen.map(({ content }) => content)).toEqual(texts.map((text) => ({ text })));
  });

  test('the gateway reads the same text when it is cut in two at any offset', async () => {
    const [alice, bob] = await pair('offsets');
    const texts = Buffer.from(frame(user(bob), 'm', '回😀')).length;
    const receipts = [];
    for (let at = 1; at < texts; at++) {
      const bytes = Buffer.from(`${frame(user(bob), `m${at}`, '回😀')}\n`);
      await written(alice, bytes.subarray(0, at));
      await written(alice, bytes.subarray(at));
      receipts.push(alice.answer(`m${at}`));
    }
    await cluster.nothingLost(alice, bob, await Promise.all(receipts));
    expect(new Set(bob.seen.map(({ content }) => content.text))).toEqual(new Set(['回😀']));
  });

  test('texts stay the same over a network that forwards three bytes at a time', async () => {
    const proxy = cluster.system.proxy('gateway.client', 0);
    try {
      proxy.splitBytes(3);
      const [alice, bob] = await pair('slow');
      const receipts = await pipeline(alice, user(bob), named('m', 5));
      await cluster.nothingLost(alice, bob, receipts);
    } finally {
      proxy.splitBytes(0);
    }
  });
});

describe('after a restart of every service', () => {
  test('a resend after a restart of every service is the same message', async () => {
    const [alice, bob] = await pair('restarted');
    const receipts = await pipeline(alice, user(bob), named('m', 10));
    await bob.sawMessages(10);
    const services = (['gateway', 'message', 'offline'] as const).flatMap((name) => cluster.system.instances(name));
    await Promise.all(services.map((service) => service.restart()));
    const later = await cluster.device(user(alice), 'phone', { gateway: 1 });
    const again = await pipeline(later, user(bob), named('m', 11));
    expect(again.slice(0, 10).map(identity)).toEqual(receipts.map(identity));
    expect(again[10]!.seq).toBe(11);
    const bobLater = await cluster.device(user(bob));
    await bobLater.sawMessages(1);
    bobLater.seen.unshift(...bob.seen);
    await cluster.nothingLost(later, bobLater, again);
  });
});
