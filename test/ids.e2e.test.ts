import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { HuizhiClient, type Mode } from '@huizhi/client';
import { eventually, projectRoot } from '@huizhi/dev-env';
import type { Delivery } from '@huizhi/protocol';
import { afterAll, afterEach, beforeAll, expect, jest, test } from '@jest/globals';
import { Device } from './support/device.js';
import { TestCluster } from './support/test-cluster.js';

/** User ids as identity providers make them, through the whole system. */

jest.setTimeout(60_000);

let cluster: TestCluster;
const clients: HuizhiClient[] = [];

beforeAll(async () => {
  cluster = await TestCluster.start({ env: { all: { HZ_TOKEN_LEEWAY: '0s' } } });
}, 120_000);
afterEach(() => Promise.all(clients.splice(0).map((client) => client.close())));
afterAll(() => cluster?.stop(), 60_000);

const longest = (first: string): string => first + '😀'.repeat(254);

test.each([
  ['from identity providers and in Chinese', 'auth0|5f7c0a1b2d3e4f5a6b7c8d9e', '张三'],
  ['with quotes, backslashes and special characters of the bus and SQL', `"\\'; --`, 'hz.>.*.${x} %_'],
  ['that start with signs', '_alice', '-bob='],
  ['that hold spaces', 'Ann Lee', 'Ann  Lee'],
  ['whose UTF-16 order is not their byte order', 'order\u{10000}', 'order\uffee'],
  ['of maximum length', longest('a'), longest('b')],
])('users with ids %s exchange messages live, in batches, in the history and in groups', async (_, alice, bob) => {
  const a = await cluster.device(alice, 'Ann’s 手机');
  const b = await cluster.device(bob, '"tablet" 2');
  expect(a.find({ messageType: 'loginReceipt' })).toMatchObject({ fromUserID: alice, deviceID: 'Ann’s 手机' });
  a.text(bob, 'a1');
  b.text(alice, 'b1');
  expect(await a.answer('a1')).toMatchObject({ messageType: 'normalReceipt' });
  expect(await b.answer('b1')).toMatchObject({ messageType: 'normalReceipt' });
  await b.confirmed(1);
  await b.drop();
  const receipts = [];
  for (const id of ['a2', 'a3', 'a4']) {
    a.text(bob, id);
    receipts.push(await a.answer(id));
  }
  expect(receipts.map(({ seq }) => seq)).toEqual([3, 4, 5]);
  // A resend is the same message.
  a.text(bob, 'a2');
  expect(await a.answer('a2')).toMatchObject({ messageID: receipts[0]?.messageID, seq: 3 });
  await cluster.inboxHolds(bob, 4);
  const again = await cluster.device(bob, '"tablet" 2');
  await again.confirmed(4);
  expect(again.seen.map(({ clientMsgID }) => clientMsgID)).toEqual(['a2', 'a3', 'a4']);
  expect((await cluster.history(a, bob)).map(({ clientMsgID }) => clientMsgID).sort()).toEqual(
    ['a1', 'a2', 'a3', 'a4', 'b1'].sort(),
  );
  expect(await cluster.history(again, alice)).toEqual(await cluster.history(a, bob));

  a.say({ messageType: 'createGroup', clientMsgID: 'g1', groupName: '群', memberUserIDs: [bob] });
  const { groupID } = await a.answer('g1');
  const tip = await again.until('the tip of the group', () => again.seen.find((each) => each.groupID === groupID));
  expect(tip).toMatchObject({ fromUserID: alice, content: { memberUserIDs: [alice, bob] } });
  again.say({
    ...{ messageType: 'normal', chatType: 'groupChat', contenType: 'text', groupID, clientMsgID: 'g2' },
    ...{ content: { text: 'hi' }, atToUserIDs: [alice] },
  });
  const inGroup = await a.until('the answer in the group', () =>
    a.seen.find(({ clientMsgID }) => clientMsgID === 'g2'),
  );
  expect(inGroup).toMatchObject({ fromUserID: bob, atToUserIDs: [alice] });

  const main = join(projectRoot(), 'dist/apps/cli/src/main.js');
  const env = { ...process.env, HZ_NATS_URL: cluster.system.natsUrl('admin') };
  const revoked = await promisify(execFile)(process.execPath, [main, 'revoke', '--', bob], { env });
  expect(revoked.stdout).toMatch(`${bob}: 1 sessions ended`);
  expect(await again.closed).toMatchObject({ name: 'revoked' });
});

test.each<[Mode, Mode]>([
  ['lines', 'frames'],
  ['websocket', 'lines'],
  ['frames', 'websocket'],
])('the SDK carries such ids over %s to a client on %s', async (mode, other) => {
  const [alice, bob] = [`auth0|${mode}`, `张三 ${mode}`];
  const connect = async (user: string, how: Mode): Promise<{ client: HuizhiClient; messages: Delivery[] }> => {
    const address = { ...cluster.system.address, mode: how };
    const client = new HuizhiClient({ address, user, deviceID: '手机', token: () => cluster.system.token(user) });
    clients.push(client);
    const messages: Delivery[] = [];
    client.on('message', (message) => messages.push(message));
    await client.connect();
    return { client, messages };
  };
  const [a, b] = [await connect(alice, mode), await connect(bob, other)];
  const { seq } = await a.client.sendText({ user: bob }, '你好').receipt;
  await eventually('the message', () => b.messages.length === 1);
  expect(b.messages[0]).toMatchObject({ fromUserID: alice, toUserID: bob, seq });
  const { messages } = await b.client.history({ user: alice });
  expect(messages).toMatchObject([{ content: { text: '你好' } }]);
});

test('ids that look alike are different users, and an invalid id is refused with its rule', async () => {
  const composed = await cluster.device('caf\u00e9');
  const wide = await cluster.device('ｃafé'.normalize('NFC'));
  wide.text('caf\u00e9', 'w1');
  await wide.answer('w1');
  await composed.sawMessages(1);
  for (const [user, rule] of [
    ['cafe\u0301', 'NFC'],
    [' café', 'space'],
    ['caf\u200bé', 'must hold only'],
    ['é'.repeat(256), '255'],
  ] as const) {
    const token = await cluster.system.token(user);
    const refused = await Device.connect(cluster.system.address, { user, deviceID: 'd', token });
    expect(await refused.login()).toMatchObject({ name: 'badField', reason: expect.stringContaining(rule) });
  }
});
