import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { Device } from './support/device.js';
import { TestCluster } from './support/test-cluster.js';

/** What a sender is refused, and that it costs nobody else anything. Two instances of everything. */

jest.setTimeout(60_000);

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start({ instances: { gateway: 2, message: 2, offline: 2 } });
}, 120_000);
afterAll(() => cluster?.stop(), 60_000);

/** A sender at the first gateway, a recipient at the second. */
async function pair(word: string): Promise<[Device, Device]> {
  const alice = await cluster.device(cluster.name(`${word}-a`));
  const bob = await cluster.device(cluster.name(`${word}-b`), 'phone', { gateway: 1 });
  return [alice, bob];
}

const user = (device: Device): string => device.options.user;

/** Every message came to this device once, on the wire and not only in effect. */
const cameOnce = (device: Device): void => expect(device.seen).toHaveLength(device.messageIDs.size);

describe('poison', () => {
  const send = (to: string, fields: object): object => ({
    ...{ messageType: 'normal', chatType: 'userChat', contenType: 'text', toUserID: to },
    ...{ clientMsgID: 'poison', content: { text: 'x' }, ...fields },
  });
  const nested = (depth: number): object => (depth === 0 ? {} : { in: nested(depth - 1) });

  /** What the message service was ever given to decide, and the gateways to repeat. */
  async function sendsDecided(): Promise<number> {
    const sums = cluster.system
      .instances('message')
      .map((service) => cluster.metric(service, 'hz_message_sends_total'));
    return (await Promise.all(sums)).reduce((sum, one) => sum + one, 0);
  }

  /** Content as JSON text, a byte a character: `JSON.stringify` would not write some of it. */
  const unclean: [what: string, content: string, error: string][] = [
    ['NUL in a text', '{"text":"a\\u0000b"}', 'badText'],
    ['NUL in a name', '{"text":"x","a\\u0000":1}', 'badText'],
    ['half a surrogate pair', '{"text":"\\ud83d"}', 'badText'],
    ['depth 20', `{"text":"x","deep":${'['.repeat(18)}${']'.repeat(18)}}`, 'tooDeep'],
    ['depth 10,000', `{"text":"x","deep":${'['.repeat(10_000)}${']'.repeat(10_000)}}`, 'tooDeep'],
    ['a number beyond 2^53', '{"text":"x","n":9007199254740993}', 'badField'],
    ['a number that is no number', '{"text":"x","n":1e999}', 'badField'],
    ['__proto__', '{"text":"x","__proto__":{"a":1}}', 'badField'],
  ];

  test.each(unclean)(
    '9: %s is refused by name, for good, and the connection goes on',
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
    ['half a character of four bytes', '{"text":"\xf0\x9f\x98"}', 'badFrame'],
    ['something that is not JSON', '{}}', 'badFrame'],
    ['65 KiB', `{"text":"${'x'.repeat(65 * 1024)}"}`, 'frameTooLarge'],
  ];

  test.each(deadly)('9: %s is refused by name and ends this connection only', async (_what, content, error) => {
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
    ['a chat type nobody knows', { chatType: 'everybody' }, 'badField'],
    ['a kind that is an array', { contenType: ['text'] }, 'badField'],
    ['mentions that are no array', { atToUserIDs: 'all' }, 'badField'],
    ['a tip', { contenType: 'tip' }, 'unsupported'],
  ];

  test('9: whole frames that are wrong are refused for good, each by name, and the connection goes on', async () => {
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
    // It names no message that an `invalidReceipt` could be about.
    expect(await alice.next({ messageType: 'error' })).toMatchObject({ name: 'badField', temporary: false });
    alice.say({ messageType: 'teleport' });
    expect(await alice.next({ messageType: 'error' })).toMatchObject({ name: 'unsupported', temporary: false });
    expect(await sendsDecided()).toBe(before);
    await cluster.nothingLost(alice, bob, [await alice.settle(user(bob), 'm1')]);
  });

  test('9: what is only just allowed is stored and arrives unchanged, also in the middle of other messages', async () => {
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

describe('what is not the sender’s', () => {
  const without = ({ clientMsgID: _1, requestID: _2, ...rest }: Record<string, unknown>): object => rest;
  const nowhere = 'ab'.repeat(12);

  /** A group of three that `eve` is not in. */
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

  test('12b: writing to a group one is not in looks like writing to none, and nobody gets anything', async () => {
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

  test('12b: the history of a group one is not in looks like that of none, also by names the client made up', async () => {
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

  test('12b: a frame that names another sender, place or number is the session’s own message all the same', async () => {
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

  test('12b: a receipt for another user’s message looks like one for no message, and nothing is receipted', async () => {
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

  test('12b: a user who does not exist is refused like any other target that is not the sender’s', async () => {
    const eve = await cluster.device(cluster.name('eve'));
    eve.text('nobody-at-all', 'm1');
    const nobody = without(await eve.answer('m1'));
    const frame = { messageType: 'normal', chatType: 'groupChat', contenType: 'text', groupID: nowhere };
    eve.say({ ...frame, clientMsgID: 'm2', sendTime: '1', content: { text: 'm2' } });
    expect(nobody).toMatchObject({ messageType: 'invalidReceipt', name: 'notAllowed' });
    expect({ ...without(await eve.answer('m2')), sendTime: 0 }).toEqual({ ...nobody, sendTime: 0 });
  });
});
