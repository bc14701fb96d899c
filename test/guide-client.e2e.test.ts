import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '@huizhi/dev-env';
import { errorTable } from '@huizhi/protocol';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { Device } from './support/device.js';
import { TestCluster } from './support/test-cluster.js';

/**
 * Replays the published version 1 client frame by frame from the golden vectors, against a development server
 * (`HZ_AUTH=open`, because the client has no token). docs/clients/ios.md describes the same in prose.
 */

jest.setTimeout(60_000);

type Raw = Record<string, unknown>;

const FIXTURE = join(projectRoot(), 'libs/protocol/fixtures/guide-client.json');
const rows = (JSON.parse(readFileSync(FIXTURE, 'utf8')) as { rows: { name: string; raw: Raw }[] }).rows;

/**
 * Local fields of the client, which are neither stored nor relayed, and fields about itself that the server ignores.
 */
const LOCAL = ['byMyself', 'isSend', 'isRead', 'isSending', 'progress', 'unreadCount', 'messageHeight', 'showTime'];
const OF_THE_LIST = ['noDisturb', 'lastMessage', 'lastTimeString'];
const ABOUT_USERS = ['nickName', 'fromPortrait', 'toPortrait', 'groupName'];
const DROPPED = [...LOCAL, ...OF_THE_LIST, ...ABOUT_USERS, 'beatID', 'versionCode'];

const VIDEO = 'video, in the name of the user that the published client has built in';

let cluster: TestCluster;

beforeAll(async () => {
  const gateway = {
    HZ_AUTH: 'open',
    HZ_UPGRADE_URL: 'https://example.org/upgrade',
    HZ_REDELIVER_AFTER: '1s',
    // The client sends a heartbeat each second; this test does not.
    HZ_HEARTBEAT_MIN: '60s',
  };
  cluster = await TestCluster.start({ env: { gateway } });
}, 120_000);
afterAll(() => cluster?.stop(), 60_000);

/** Two new version 1 users with numeric ids. */
class Pair {
  private static last = 20_000;
  readonly me = String(++Pair.last);
  readonly other = String(++Pair.last);

  constructor(private readonly base64: boolean) {}

  /** A frame of the fixture, addressed between these two users. */
  frame(name: string, more: Raw = {}): Raw {
    const found = rows.find((row) => row.name === name);
    if (!found) throw new Error(`the fixture has no frame "${name}"`);
    const text = JSON.stringify(found.raw).replaceAll('10001', this.me).replaceAll('10002', this.other);
    return { ...(JSON.parse(text) as Raw), ...more };
  }

  connect(): Promise<Device> {
    const { me: user, base64 } = this;
    return Device.connect(cluster.system.address, { user, deviceID: 'default', token: '', receipts: false, base64 });
  }

  /** Connects and logs in as the version 1 client does. */
  async login(name = 'login'): Promise<Device> {
    const device = await this.connect();
    device.say(this.frame(name));
    expect(await device.next({ messageType: 'loginReceipt' })).toMatchObject({ code: 0, fromUserID: this.me });
    return device;
  }

  /** The other user, with a current client. */
  async friend(): Promise<Device> {
    return cluster.device(this.other);
  }
}

/** The answer to a frame, matched by `sendTime`, which is all that this client can match. */
const answer = (device: Device, sendTime: string): Promise<Raw> =>
  device.next({ sendTime }, ({ messageType }) => messageType !== 'normal');

describe.each([
  ['JSON lines', false],
  ['base64 lines', true],
])('in %s', (_, base64) => {
  describe('the login', () => {
    test('is accepted without messageType, token and device id, and with local fields', async () => {
      for (const name of ['login', 'login with numbers']) {
        const pair = new Pair(base64);
        const device = await pair.connect();
        device.say(pair.frame(name));
        expect(await device.next({ messageType: 'loginReceipt' })).toMatchObject({
          code: 0,
          fromUserID: pair.me,
          deviceID: 'default',
          heartbeat: 1,
          inboxSeq: 0,
          waiting: 0,
        });
        await device.drop();
      }
    });

    test('from another connection kicks the first, because both are the device `default`', async () => {
      const pair = new Pair(base64);
      const first = await pair.login();
      await pair.login();
      expect(await first.closed).toMatchObject({ name: 'kicked', reconnect: false });
    });

    test('of an unsupported version is refused with an upgrade URL', async () => {
      const pair = new Pair(base64);
      const device = await pair.connect();
      device.say(pair.frame('login of a version that is no longer served'));
      expect(await device.next({ messageType: 'loginReceipt' })).toMatchObject({
        code: errorTable.upgradeRequired.code,
        name: 'upgradeRequired',
        upgradeRequired: true,
        upgradeURL: 'https://example.org/upgrade',
      });
      expect(await device.closed).toMatchObject({ name: 'upgradeRequired', reconnect: false });
    });
  });

  describe('sending', () => {
    test('stores two messages of one millisecond, and receipts echo sendTime as a string', async () => {
      const pair = new Pair(base64);
      const friend = await pair.friend();
      const device = await pair.login();
      device.say(pair.frame('text'));
      device.say(pair.frame('another text in the same millisecond, with numbers for strings'));
      const receipts = [await answer(device, '1700000000123'), await answer(device, '1700000000123')];
      expect(receipts).toMatchObject([1, 2].map((seq) => ({ messageType: 'normalReceipt', seq })));
      expect(receipts.every((receipt) => !('clientMsgID' in receipt))).toBe(true);
      await friend.sawMessages(2);
      expect(friend.seen.map(({ seq, content }) => [seq, content.text])).toEqual([
        [1, 'first words'],
        [2, 'second words'],
      ]);
    });

    test('stores a resent message once', async () => {
      const pair = new Pair(base64);
      await pair.friend();
      const device = await pair.login();
      device.say(pair.frame('text'));
      const { messageID } = await answer(device, '1700000000123');
      await device.drop();
      const later = await pair.login();
      later.say(pair.frame('text'));
      expect(await answer(later, '1700000000123')).toMatchObject({ messageType: 'normalReceipt', messageID, seq: 1 });
    });

    test('relays only the fields of a message, with the session’s sender and unchanged content', async () => {
      const pair = new Pair(base64);
      const friend = await pair.friend();
      const device = await pair.login();
      const names = ['text', 'picture', 'audio', 'file', VIDEO, 'text in the name of another'];
      const sent = names.map((name) => pair.frame(name));
      for (const frame of sent) device.say(frame);
      for (const { sendTime } of sent) await answer(device, String(sendTime));
      await friend.sawMessages(sent.length);
      const requestID = 'all';
      friend.say({ messageType: 'history', requestID, chatType: 'userChat', toUserID: pair.me });
      const stored = (await friend.next({ requestID })).messages as Raw[];
      for (const [n, { sendTime, content, contenType }] of sent.entries()) {
        const expected = {
          fromUserID: pair.me,
          toUserID: pair.other,
          sendTime,
          contenType,
          content,
          deviceType: 'iOS',
        };
        for (const message of [friend.seen[n] as unknown as Raw, stored[n] as Raw]) {
          expect(message).toMatchObject(expected);
          expect(Object.keys(message).filter((field) => DROPPED.includes(field))).toEqual([]);
        }
      }
    });

    test('does not relay the group name of the sender', async () => {
      const pair = new Pair(base64);
      const friend = await pair.friend();
      const device = await pair.login();
      friend.say({ messageType: 'createGroup', clientMsgID: 'g', groupName: 'team', memberUserIDs: [pair.me] });
      const { groupID } = await friend.answer('g');
      const name = 'text to a group, with mentions and a group name of its own';
      device.say(pair.frame(name, { groupID }));
      expect(await answer(device, '1700000001500')).toMatchObject({ messageType: 'normalReceipt', seq: 2 });
      const message = await friend.until('the message', () => friend.seen.find(({ seq }) => seq === 2));
      expect(message).toMatchObject({ groupID, fromUserID: pair.me, atToUserIDs: [pair.other] });
      expect(Object.keys(message).filter((field) => DROPPED.includes(field))).toEqual([]);
    });

    test('refuses a recall as unsupported, and the connection stays open', async () => {
      const pair = new Pair(base64);
      const friend = await pair.friend();
      const device = await pair.login();
      device.say(pair.frame('text'));
      const { messageID } = await answer(device, '1700000000123');
      device.say(pair.frame('recall', { messageID }));
      const { code, name } = { ...errorTable.unsupported, name: 'unsupported' };
      expect(await answer(device, '1700000002000')).toMatchObject({ messageType: 'invalidReceipt', code, name });
      device.say(pair.frame('recall by its own message type', { messageID }));
      expect(await answer(device, '1700000002001')).toMatchObject({ messageType: 'error', code, temporary: false });
      device.say(pair.frame('picture'));
      expect(await answer(device, '1700000000456')).toMatchObject({ messageType: 'normalReceipt', seq: 2 });
      await friend.sawMessages(2);
      expect(friend.seen.map(({ contenType }) => contenType)).toEqual(['text', 'picture']);
    });

    test('refuses an invalid message with an invalidReceipt that echoes its sendTime', async () => {
      const pair = new Pair(base64);
      const device = await pair.login();
      const refused = { messageType: 'invalidReceipt', name: 'badField' };
      device.say(pair.frame('message without content'));
      expect(await answer(device, '1700000003000')).toMatchObject(refused);
      device.say(pair.frame('message whose sendTime has a fraction'));
      expect(await answer(device, '1700000004.125')).toMatchObject(refused);
    });
  });

  describe('heartbeats', () => {
    test('are answered with the beatID that the client compares; a message with a beatID is no heartbeat', async () => {
      const pair = new Pair(base64);
      await pair.friend();
      const device = await pair.login();
      device.say(pair.frame('text'));
      await answer(device, '1700000000123');
      device.say(pair.frame('heartbeat', { beatID: 'beat-2' }));
      await device.next({ beatID: 'beat-2' });
      expect(device.frames.filter((frame) => 'beatID' in frame)).toMatchObject([{ beatID: 'beat-2', inboxSeq: 0 }]);
      if (!base64) return;
      for (const bare of ['beatID', 'YmVhdElE', 'YmVhdElECg==']) {
        device.raw(`${bare}\n`);
        expect(await device.next({ beatID: 'beatID' })).toMatchObject({ inboxSeq: 0 });
      }
    });
  });

  describe('receiving', () => {
    /** Three messages that wait for the client. */
    async function waiting(pair: Pair): Promise<{ friend: Device; ids: string[] }> {
      await (await pair.login()).drop();
      const friend = await pair.friend();
      const ids: string[] = [];
      for (const id of ['a', 'b', 'c']) ids.push(String((await friend.settle(pair.me, id)).messageID));
      await cluster.inboxHolds(pair.me, ids.length);
      return { friend, ids };
    }

    test('delivers every kind of message from this client unchanged to a client of its version', async () => {
      const pair = new Pair(base64);
      const device = await pair.login();
      const other = await Device.connect(cluster.system.address, {
        user: pair.other,
        deviceID: 'default',
        token: '',
        base64,
      });
      other.say({ versionCode: '1', fromUserID: pair.other, deviceType: 'iOS' });
      await other.next({ messageType: 'loginReceipt' });
      const sent = ['text', 'audio', 'picture', VIDEO, 'file'].map((name) => pair.frame(name));
      for (const frame of sent) device.say(frame);
      await other.sawMessages(sent.length);
      expect(other.seen.map(({ contenType, content }) => ({ contenType, content }))).toEqual(
        sent.map(({ contenType, content }) => ({ contenType, content })),
      );
    });

    test('delivers offline messages as single frames in order, after their total', async () => {
      const pair = new Pair(base64);
      const { ids } = await waiting(pair);
      const device = await pair.connect();
      device.say(pair.frame('login'));
      expect(await device.next({ messageType: 'loginReceipt' })).toMatchObject({ waiting: 3, inboxSeq: 0, head: 3 });
      await device.sawMessages(3);
      expect(device.seen.map(({ messageID, via }) => [messageID, via])).toEqual(ids.map((id) => [id, 'live']));
    });

    test('redelivers unreceipted messages on the same connection and at each login', async () => {
      const pair = new Pair(base64);
      const { ids } = await waiting(pair);
      const device = await pair.login();
      await device.until('everything twice', () => device.seen.length >= 6);
      expect(device.seen.slice(0, 6).map(({ messageID }) => messageID)).toEqual([...ids, ...ids]);
      await device.drop();
      const later = await pair.login();
      await later.sawMessages(3);
      expect(later.seen.slice(0, 3).map(({ messageID }) => messageID)).toEqual(ids);
    });

    test('redelivers only messages not receipted by messageID, as string or number', async () => {
      const pair = new Pair(base64);
      const { friend, ids } = await waiting(pair);
      const device = await pair.login();
      await device.sawMessages(3);
      device.say({ messageType: 'receipt', messageID: ids[0] });
      device.say({ messageType: 'receipt', messageID: Number(ids[1]), isRead: 1 });
      await device.confirmed(2);
      await device.drop();
      const later = await pair.login();
      const last = await friend.settle(pair.me, 'd');
      await later.sawMessages(2);
      expect([...later.messageIDs]).toEqual([ids[2], last.messageID]);
    });
  });
});

describe('the bytes of the published code', () => {
  test('are an invalid frame, because the code decodes base64 instead of encoding', async () => {
    const pair = new Pair(false);
    const device = await pair.connect();
    const text = `${JSON.stringify(pair.frame('login'))}\n`;
    device.raw(Buffer.from(text.replace(/[^A-Za-z0-9+/]/g, ''), 'base64'));
    expect(await device.closed).toMatchObject({ name: 'badFrame', reconnect: false });
  });
});
