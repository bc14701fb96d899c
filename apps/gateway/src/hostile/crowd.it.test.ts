import { connect, type Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from '@jest/globals';
import { signToken, eventually } from '@huizhi/constellation';
import { Clock } from '../testing/clock.js';
import type { TestClient } from '../testing/client.js';
import { Rig, SECRET } from '../testing/rig.js';

const rig = Rig.forEachTest();

const DEADLINES = { LOGIN_DEADLINE: '1m', FRAME_DEADLINE: '1m', WRITE_STALL: '1m', RECEIPT_OVERDUE: '1m' };
/** What is not about those that stall. */
const PATIENCE = { HEARTBEAT_LEAST: '1h', STALE_AFTER: '1h', SEND_TIMEOUT: '1h', REDELIVER_AFTER: '1h' };
const BOUNDS = { WINDOW: '50', BATCH_BYTES: '65536', WRITE_BUFFER_BYTES: '131072' };

const GOOD = 200;
const STOPPED = 200;
const MESSAGES = 5;
const MIB = 1024 * 1024;

async function raw(first: string): Promise<Socket> {
  const socket = connect(rig.gateway.port, '127.0.0.1');
  socket.on('error', () => undefined);
  await new Promise((resolve) => socket.once('connect', resolve));
  if (first !== '') socket.write(first);
  return socket;
}

/** Logs in and then neither reads nor receipts, though half a megabyte waits for it: the kernel takes that, so it is the window that is full. */
async function stopped(n: number): Promise<Socket> {
  const token = await signToken(SECRET, `stopped${n}`);
  const socket = await raw('');
  socket.pause();
  socket.write(`${JSON.stringify({ messageType: 'login', fromUserID: `stopped${n}`, versionCode: 2, token })}\n`);
  return socket;
}

async function halfway(n: number): Promise<Socket> {
  const client = await rig.login(`half${n}`);
  client.raw('{"beatID":"');
  return client.socket;
}

const times = <T>(count: number, make: (n: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, n) => make(n)));

/** Bytes that are in use. */
function memory(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

test('2,000 stalled connections are each closed by their deadline, and 200 users beside them miss nothing', async () => {
  const clock = new Clock();
  await rig.restart({ ...DEADLINES, ...PATIENCE, ...BOUNDS }, clock);
  const good = await times(GOOD, (n) => rig.login(`good${n}`));
  for (let n = 0; n < STOPPED; n++) for (let i = 0; i < 50; i++) rig.offline.put(`stopped${n}`, 'x'.repeat(10_000));
  const before = memory();
  const stalled = (
    await Promise.all([
      times(800, () => raw('')),
      times(700, () => raw('{"messageType":"login","fromUserID":"al')),
      times(300, halfway),
      times(STOPPED, stopped),
    ])
  ).flat();
  expect(stalled).toHaveLength(2_000);

  const full = (): number => new Set(rig.offline.fetches.filter(({ from }) => from > 40).map(({ user }) => user)).size;
  await eventually('the windows to be full', () => full() === STOPPED, 60_000);
  await Promise.all(good.map((client, n) => talk(client, n, 1)));
  expect(rig.gateway.accepted).toBe(GOOD + stalled.length);
  // Twice what it is, with their clients, who are in this process too. 64 KiB for each of them would be as much again.
  expect(memory() - before).toBeLessThan(128 * MIB);

  clock.turn(61_000);
  await Promise.all(good.map((client, n) => talk(client, n, 2)));
  await eventually('the end of all that stalled', () => rig.gateway.accepted === GOOD);
  for (const client of good) expect(client.all({ messageType: 'close' })).toEqual([]);
  for (const socket of stalled) socket.destroy();
}, 180_000);

/** Sends, is receipted, is delivered to, and receipts: so many messages in each round. */
async function talk(client: TestClient, n: number, round: number): Promise<void> {
  const to = { messageType: 'normal', chatType: 'userChat', contenType: 'text', toUserID: `good${(n + 1) % GOOD}` };
  const upTo = round * MESSAGES;
  for (let i = upTo - MESSAGES; i < upTo; i++) {
    client.send({ ...to, clientMsgID: `m${i}`, content: { text: 'good day' } });
    await client.frame({ messageType: 'normalReceipt', clientMsgID: `m${i}` });
    rig.offline.deliver(`good${n}`, `for ${n}`);
  }
  await client.frame({ inboxSeq: upTo, messageType: 'normal' });
  client.send({ messageType: 'receipt', upTo });
  await client.frame({ messageType: 'receiptConfirm', inboxSeq: upTo });
  expect(client.delivered).toEqual(Array.from({ length: upTo }, (_, i) => i + 1));
}
