import { connect, type Socket } from 'node:net';
import { expect, test } from '@jest/globals';
import { signToken } from '@huizhi/constellation';
import { eventually } from '../testing/eventually.js';
import type { TestClient } from '../testing/client.js';
import { Rig, SECRET } from '../testing/rig.js';

const rig = Rig.forAllTests({
  LOGIN_DEADLINE: '4s',
  FRAME_DEADLINE: '2s',
  WRITE_STALL: '2s',
  WINDOW: '50',
  RECEIPT_OVERDUE: '2s',
  REDELIVER_AFTER: '1h',
  BATCH_BYTES: '65536',
  WRITE_BUFFER_BYTES: '131072',
});

const GOOD = 200;
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
  for (let i = 0; i < 50; i++) rig.offline.put(`stopped${n}`, 'x'.repeat(10_000));
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

test('2,000 stalled connections are each closed by their deadline, and 200 users beside them miss nothing', async () => {
  const good = await times(GOOD, (n) => rig.login(`good${n}`));
  const before = process.memoryUsage().rss;
  const stalled = (
    await Promise.all([
      times(800, () => raw('')),
      times(700, () => raw('{"messageType":"login","fromUserID":"al')),
      times(300, halfway),
      times(200, stopped),
    ])
  ).flat();
  expect(stalled).toHaveLength(2_000);

  await Promise.all(good.map((client, n) => talk(client, n)));
  await eventually('the end of all that stalled', () => rig.gateway.accepted === GOOD, 20_000);
  // A buffer for each would be 25 MiB; this process is their clients' too.
  expect(process.memoryUsage().rss - before).toBeLessThan(400 * MIB);
  for (const client of good) expect(client.all({ messageType: 'close' })).toEqual([]);
  for (const socket of stalled) socket.destroy();
}, 60_000);

/** Sends, is receipted, is delivered to, and receipts. */
async function talk(client: TestClient, n: number): Promise<void> {
  const to = { messageType: 'normal', chatType: 'userChat', contenType: 'text', toUserID: `good${(n + 1) % GOOD}` };
  for (let i = 0; i < MESSAGES; i++) {
    client.send({ ...to, clientMsgID: `m${i}`, content: { text: 'good day' } });
    await client.frame({ messageType: 'normalReceipt', clientMsgID: `m${i}` }, 20_000);
    rig.offline.deliver(`good${n}`, `for ${n}`);
  }
  await client.frame({ inboxSeq: MESSAGES, messageType: 'normal' }, 20_000);
  client.send({ messageType: 'receipt', upTo: MESSAGES });
  await client.frame({ messageType: 'receiptConfirm', inboxSeq: MESSAGES }, 20_000);
  expect(client.delivered).toEqual(Array.from({ length: MESSAGES }, (_, i) => i + 1));
}
