import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { Device } from './support/device.js';
import { TestCluster } from './support/test-cluster.js';

/** Refused sends, and that they do not affect other sends. Two instances of every service. */

jest.setTimeout(60_000);

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start({ instances: { gateway: 2, message: 2, offline: 2 } });
}, 120_000);
afterAll(() => cluster?.stop(), 60_000);

/** A sender on the first gateway, a recipient on the second. */
async function pair(word: string): Promise<[Device, Device]> {
  const alice = await cluster.device(cluster.name(`${word}-a`));
  const bob = await cluster.device(cluster.name(`${word}-b`), 'phone', { gateway: 1 });
  return [alice, bob];
}

const user = (device: Device): string => device.options.user;

/** Checks that every message arrived once on the wire. */
const cameOnce = (device: Device): void => expect(device.seen).toHaveLength(device.messageIDs.size);

describe('invalid messages', () => {
  const send = (to: string, fields: object): object => ({
    ...{ messageType: 'normal', chatType: 'userChat', contenType: 'text', toUserID: to },
    ...{ clientMsgID: 'poison', content: { text: 'x' }, ...fields },
  });
  const nested = (depth: number): object => (depth === 0 ? {} : { in: nested(depth - 1) });

  /** The number of sends that the message services decided and that the gateways repeated. */
  async function sendsDecided(): Promise<number> {
    const sums = cluster.system
      .instances('message')
      .map((service) => cluster.metric(service, 'hz_message_sends_total'));
    return (await Promise.all(sums)).reduce((sum, one) => sum + one, 0);
  }

  /** Content as JSON text, one byte per character; `JSON.stringify` could not produce some of it. */
  const unclean: [what: string, content: string, error: string][] = [
    ['NUL in a text', '{"text":"a\\u0000b"}', 'badText'],
    ['NUL in a name', '{"text":"x","a\\u0000":1}', 'badText'],
    ['half a surrogate pair', '{"text":"\\ud83d"}', 'badText'],
    ['depth 20', `{"text":"x","deep":${'['.repeat(18)}${']'.repeat(18)}}`, 'tooDeep'],
    ['depth 10,000', `{"text":"x","deep":${'['.repeat(10_000)}${']'.repeat(10_000)}}`, 'tooDeep'],
    ['a number beyond 2^53', '{"text":"x","n":9007199254740993}', 'badField'],
    ['a number out of range', '{"text":"x","n":1e999}', 'badField'],
    ['__proto__', '{"text":"x","__proto__":{"a":1}}', 'badField'],
  ];

  test.each(unclean)(
    '%s is refused with its final error, and the connection stays open',
    async (_what, content, error) => {
      const [alice, bob] = await pair('unclean');
      const before = await sendsDecided();
      const frame = JSON.stringify(send(user(bob), { content: '?' })).replace('"?"', () => content);
      alice.raw(Buffer.from(`${frame}\n`, 'latin1'));
      expect(await alice.answer('poison')).toMatchObject({ messageType: 'invalidReceipt', name: error });
      expect(await sendsDecided()).toBe(before);
      await cluster.nothingLost(alice, bob, [
        await alice.settle(user(bob), 'm1'),
        await alice.settle(user(bob), 'poison'),
      ]);
      cameOnce(bob);
    },
  );

  const deadly: typeof unclean = [
    ['a byte that is not UTF-8', '{"text":"\xff"}', 'badFrame'],
    ['half of a four-byte character', '{"text":"\xf0\x9f\x98"}', 'badFrame'],
    ['invalid JSON', '{}}', 'badFrame'],
    ['65 KiB', `{"text":"${'x'.repeat(65 * 1024)}"}`, 'frameTooLarge'],
  ];

  test.each(deadly)('%s is refused with its error and closes only this connection', async (_what, content, error) => {
    const [alice, bob] = await pair('deadly');
    const before = await sendsDecided();
    const frame = JSON.stringify(send(user(bob), { content: '?' })).replace('"?"', () => content);
    alice.raw(Buffer.from(`${frame}\n`, 'latin1'));
    expect(await alice.next({ messageType: 'error' })).toMatchObject({ name: error, temporary: false });
    const name = error === 'frameTooLarge' ? error : 'badFrame';
    expect(await alice.closed).toMatchObject({ name, reconnect: false });
    expect(await sendsDecided()).toBe(before);
    const later = await cluster.device(user(alice));
    await cluster.nothingLost(later, bob, [
      await later.settle(user(bob), 'm1'),
      await later.settle(user(bob), 'poison'),
    ]);
    cameOnce(bob);
  });

  const wrong: [what: string, fields: object, error: string][] = [
    ['content that is a string', { content: 'x' }, 'badField'],
    ['content that is an array', { content: [] }, 'badField'],
    ['a text that is a number', { content: { text: {} } }, 'badField'],
    ['an empty text', { content: { text: '' } }, 'badField'],
    ['a target that is an object', { toUserID: { a: 1 } }, 'badField'],
    ['a target with a blank at its end', { toUserID: 'a ' }, 'badField'],
    ['no target', { toUserID: undefined }, 'badField'],
    ['an unknown chat type', { chatType: 'everybody' }, 'badField'],
    ['a kind that is an array', { contenType: ['text'] }, 'badField'],
    ['mentions that are not an array', { atToUserIDs: 'all' }, 'badField'],
    ['a tip', { contenType: 'tip' }, 'unsupported'],
  ];

  test('complete but invalid frames get their final error, and the connection stays open', async () => {
    const [alice, bob] = await pair('wrong');
    const before = await sendsDecided();
    for (const [what, fields, error] of wrong) {
      const clientMsgID = what.replaceAll(/\W/g, '-');
      alice.say(send(user(bob), { ...fields, clientMsgID }));
      expect([what, await alice.answer(clientMsgID)]).toMatchObject([
        what,
        { messageType: 'invalidReceipt', name: error },
      ]);
    }
    alice.say(send(user(bob), { clientMsgID: ['a'] }));
    // The frame names no message, so an `invalidReceipt` could not refer to one.
    expect(await alice.next({ messageType: 'error' })).toMatchObject({ name: 'badField', temporary: false });
    alice.say({ messageType: 'teleport' });
    expect(await alice.next({ messageType: 'error' })).toMatchObject({ name: 'unsupported', temporary: false });
    expect(await sendsDecided()).toBe(before);
    await cluster.nothingLost(alice, bob, [await alice.settle(user(bob), 'm1')]);
  });

  test('content just within the limits is stored and delivered unchanged, also between other messages', async () => {
    const [alice, bob] = await pair('extreme');
    const contents: object[] = [
      { text: 'x', deep: nested(13) },
      { text: '\u0001\u001f\u007f\ufffe\uffff\u202e' },
      { text: '\u{10ffff}'.repeat(15_000) },
      { text: `${'\u0001'.repeat(10_000)}` },
      { text: 'x', constructor: { prototype: 1 }, toString: null, big: Number.MAX_SAFE_INTEGER, small: 1e-300 },
    ];
    const ids = contents.map((_, n) => `m${n}`);
    for (const [n, content] of contents.entries()) alice.say(send(user(bob), { clientMsgID: ids[n], content }));
    const receipts = await Promise.all(ids.map((id) => alice.answer(id)));
    await cluster.nothingLost(alice, bob, receipts);
    expect(bob.seen.map(({ content }) => content)).toEqual(contents);
  });
});

describe('targets and messages of other users', () => {
  const without = ({ clientMsgID: _1, requestID: _2, ...rest }: Record<string, unknown>): object => rest;
  const nowhere = 'ab'.repeat(12);

  /** A group of three without `eve`. */
  async function group(): Promise<{ groupID: string; members: Device[]; eve: Device }> {
    const members = [];
    for (const word of ['ann', 'ben', 'cat']) members.push(await cluster.device(cluster.name(word)));
    const eve = await cluster.device(cluster.name('eve'), 'phone', { gateway: 1 });
    const [ann, ...others] = members;
    ann!.say({ messageType: 'createGroup', clientMsgID: 'g', memberUserIDs: others.map(user) });
    const { groupID } = await ann!.answer('g');
    for (const other of others) await other.sawMessages(1);
    return { groupID: String(groupID), members, eve };
  }

  test('a send to a foreign group gets the same refusal as one to no group, and is not delivered', async () => {
    const { groupID, members, eve } = await group();
    const refused = [];
    for (const target of [groupID, nowhere]) {
      const clientMsgID = `to-${target}`;
      const frame = { messageType: 'normal', chatType: 'groupChat', contenType: 'text', groupID: target };
      eve.say({ ...frame, clientMsgID, content: { text: 'let me in' } });
      refused.push(without(await eve.answer(clientMsgID)));
    }
    expect(refused[0]).toMatchObject({ messageType: 'invalidReceipt', name: 'notAllowed' });
    expect(refused[1]).toEqual(refused[0]);
    const frame = {
      messageType: 'normal',
      chatType: 'groupChat',
      contenType: 'text',
      groupID,
      content: { text: 'in' },
    };
    members[1]!.say({ ...frame, clientMsgID: 'in' });
    expect(await members[1]!.answer('in')).toMatchObject({ messageType: 'normalReceipt', seq: 2 });
    await members[2]!.sawMessages(2);
    expect(members[2]!.seen.map(({ seq }) => seq)).toEqual([1, 2]);
    expect(eve.seen).toEqual([]);
  });

  test('a history request for a foreign group gets the same refusal as one for no group', async () => {
    const { groupID, members, eve } = await group();
    const pages = [];
    for (const target of [groupID, nowhere]) {
      const conversationID = `g_${target}`;
      eve.say({ messageType: 'history', requestID: target, chatType: 'groupChat', groupID: target, conversationID });
      pages.push(without(await eve.next({ requestID: target })));
    }
    expect(pages[0]).toMatchObject({ messageType: 'error', name: 'notAllowed' });
    expect(pages[1]).toEqual(pages[0]);
    members[2]!.say({ messageType: 'history', requestID: 'mine', chatType: 'groupChat', groupID });
    expect(await members[2]!.next({ requestID: 'mine' })).toMatchObject({ messageType: 'historyReceipt' });
  });

  test('a frame with a forged sender, id or number is stored as the session’s own message', async () => {
    const [alice, bob] = await pair('forged');
    const [, carol] = await pair('victim');
    const receipt = await alice.settle(user(bob), 'm1');
    const forged = { fromUserID: user(carol), conversationID: 'p_x', messageID: '1024', seq: 99, serverTime: '1' };
    const frame = { messageType: 'normal', chatType: 'userChat', contenType: 'text', toUserID: user(bob) };
    alice.say({ ...frame, ...forged, inboxSeq: 7, deviceID: 'other', clientMsgID: 'm2', content: { text: 'm2' } });
    const second = await alice.answer('m2');
    expect(second).toMatchObject({ seq: 2, conversationID: receipt.conversationID });
    await cluster.nothingLost(alice, bob, [receipt, second]);
    expect(bob.seen.map(({ fromUserID }) => fromUserID)).toEqual([user(alice), user(alice)]);
    expect(carol.seen).toEqual([]);
  });

  test('a receipt for a foreign message gets the same answer as one for no message, and has no effect', async () => {
    const [alice, bob] = await pair('owed');
    const eve = await cluster.device(cluster.name('eve'));
    bob.receipts = false;
    const { messageID } = await alice.settle(user(bob), 'm1');
    await bob.sawMessages(1);
    const confirms = [];
    for (const id of [String(messageID), '9007199254740000']) {
      eve.receipt({ messageID: id, upTo: 1_000_000 });
      confirms.push(await eve.next({ messageType: 'receiptConfirm' }));
    }
    expect(confirms[0]).toMatchObject({ inboxSeq: 0 });
    expect(confirms[1]).toEqual(confirms[0]);
    await bob.drop();
    const later = await cluster.device(user(bob));
    await later.sawMessages(1);
    expect([...later.messageIDs]).toEqual([messageID]);
  });

  test('a send to an unknown user gets the same refusal as one to a foreign target', async () => {
    const eve = await cluster.device(cluster.name('eve'));
    eve.text('nobody-at-all', 'm1');
    const nobody = without(await eve.answer('m1'));
    const frame = { messageType: 'normal', chatType: 'groupChat', contenType: 'text', groupID: nowhere };
    eve.say({ ...frame, clientMsgID: 'm2', sendTime: '1', content: { text: 'm2' } });
    expect(nobody).toMatchObject({ messageType: 'invalidReceipt', name: 'notAllowed' });
    expect({ ...without(await eve.answer('m2')), sendTime: 0 }).toEqual({ ...nobody, sendTime: 0 });
  });
});
