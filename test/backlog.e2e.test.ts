import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import type { Service } from '@huizhi/dev-env';
import { laneOf, MAX_LANES } from '@huizhi/protocol';
import pg from 'pg';
import type { Device } from './support/device.js';
import { expectWholeInbox, idsOf, sendTexts } from './support/ledger.js';
import { TestCluster } from './support/test-cluster.js';

jest.setTimeout(300_000);

const BACKLOG = 100_000;
const LANES = 32;
const WINDOW = 500;
const HZ_BATCH_ENTRIES = 200;
const HZ_BATCH_BYTES = 256 * 1024;

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.start({
    env: {
      gateway: {
        // The devices here send no heartbeats, and the test takes minutes on a busy machine.
        HZ_HEARTBEAT_MIN: '10m',
        // No redelivery: a device that waits for other events does not receipt, and deliveries are counted.
        HZ_REDELIVER_AFTER: '1h',
        HZ_REDELIVER_MAX: '1h',
        HZ_RECEIPT_OVERDUE: '1h',
      },
    },
  });
}, 120_000);
afterAll(() => cluster?.stop(), 60_000);

/**
 * Stores `count` copies of a real message with one statement, as the message service would, while no service runs. The
 * offline service then finds its lane far ahead and catches up. Some messages are long, so that pages end at their byte
 * limit. Others grow slowly, so that some page reaches both limits at once.
 */
async function storeBacklog(conversation: string, count: number): Promise<void> {
  const lane = laneOf(conversation, LANES);
  const client = new pg.Client({ connectionString: cluster.system.databaseUrl('message') });
  await client.connect();
  await client.query(
    `with made as (
       insert into message.event
         (lane, position, conversation_id, seq, server_time, user_id, device_id, client_id, hash, peer, kind, body)
       select e.lane, e.position + n, e.conversation_id, e.seq + n, e.server_time, e.user_id, e.device_id, 'b' || n, e.hash, e.peer,
              e.kind,
              replace(e.body, 'SEED', case when n between 1001 and 1500 then repeat('long ', 1200)
                                          when n between 2001 and 5000 then repeat('x', 900 + (n - 2000) / 15)
                                          else repeat('short ', 30) end)
         from message.event e cross join generate_series(1, $2::int) n
        where e.conversation_id = $1 and e.seq = 1)
     update message.lane set head = head + $2 where lane = $3`,
    [conversation, count, lane],
  );
  await client.end();
}

const rss = (service: Service): number =>
  Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${service.pid}/status`, 'utf8'))?.[1]) * 1024;

/** Stops receipting when `count` messages have arrived. Returns the number that are receipted. */
function heldBack(device: Device, count: number): number | undefined {
  if (device.seen.length < count) return undefined;
  device.receipts = false;
  return device.seen.length;
}

const batchesOf = (device: Device): unknown[][] => device.frames.filter((frame) => Array.isArray(frame));

/** Milliseconds from the login to its first page. */
async function firstPage(user: string, receipts: boolean): Promise<{ phone: Device; ms: number }> {
  const start = performance.now();
  const phone = await cluster.device(user, 'phone', { receipts });
  await phone.until('the first page', () => batchesOf(phone).length > 0);
  return { phone, ms: performance.now() - start };
}

test('a device receives a backlog of 100,000 in order and in bounded pages, and the gateway in bounded memory', async () => {
  const [aliceName, bob, carolName] = [cluster.name('alice'), cluster.name('bob'), cluster.name('carol')];
  await cluster.known(bob);
  const alice = await cluster.device(aliceName);
  alice.text(bob, 'seed', 'SEED');
  const seed = await alice.answer('seed');
  const conversation = String(seed.conversationID);
  await cluster.inboxHolds(bob, 1);

  const { system } = cluster;
  await Promise.all([system.message().stop(), system.offline().stop()]);
  await storeBacklog(conversation, BACKLOG);
  await Promise.all([system.message().restart(), system.offline().restart()]);
  const total = BACKLOG + 1;
  await cluster.inboxHolds(bob, total, 90_000);

  // A device that does not receipt gets one window, regardless of the size of the backlog.
  const gateway = system.gateway();
  const before = rss(gateway);
  const { phone: idle, ms: first } = await firstPage(bob, false);
  expect(idle.find({ messageType: 'loginReceipt' })).toMatchObject({ inboxSeq: 0, head: total, waiting: total });
  await idle.sawMessages(WINDOW);
  idle.say({ beatID: 'still' });
  expect(await idle.next({ beatID: 'still' })).toMatchObject({ inboxSeq: total });
  expect(idle.seen).toHaveLength(WINDOW);
  await idle.drop();

  const { phone, ms } = await firstPage(bob, true);
  expect(phone.find({ messageType: 'loginReceipt' })).toMatchObject({ inboxSeq: 0, head: total, waiting: total });
  const begun = performance.now();
  // New messages wait behind the backlog, but not those of users without one. Half of the backlog is held back until
  // that is checked.
  let peak = before;
  const look = (): void => void (peak = Math.max(peak, rss(gateway)));
  const half = phone.until('half of it', () => (look(), heldBack(phone, total / 2)), 90_000);
  const carol = await cluster.device(carolName);
  const late = await sendTexts(alice, bob, 1, 'late');
  await sendTexts(alice, carolName, 1, 'live');
  await carol.confirmed(1);
  const receipted = await half;
  await phone.until('a full window', () => phone.seen.length >= receipted + WINDOW);
  phone.say({ beatID: 'half' });
  await phone.next({ beatID: 'half' });
  expect(phone.seen).toHaveLength(receipted + WINDOW);
  phone.receipts = true;
  phone.receipt({ upTo: phone.seen.length });

  await phone.until(
    'the whole backlog',
    () => {
      look();
      return phone.seen.length > total;
    },
    90_000,
  );
  // A page takes a small part of the total time on any machine. The smaller of two times avoids pauses of the machine.
  expect(Math.min(first, ms)).toBeLessThan((performance.now() - begun) / 10);
  await phone.confirmed(total + 1);
  const lane = laneOf(conversation, LANES);
  const firstID = Number(seed.messageID);
  expect(firstID % MAX_LANES).toBe(lane);
  const stored = Array.from({ length: total }, (_, n) => String(firstID + n * MAX_LANES));
  expectWholeInbox([idle, phone], [...stored, ...idsOf(late)]);
  expect(phone.seen.every((one, n) => one.inboxSeq === n + 1 && one.seq === n + 1)).toBe(true);

  const batches = batchesOf(phone);
  const bytes = batches.map((batch) => Buffer.byteLength(JSON.stringify(batch)));
  expect(Math.max(...batches.map((batch) => batch.length))).toBe(HZ_BATCH_ENTRIES);
  expect(Math.max(...bytes)).toBeLessThanOrEqual(HZ_BATCH_BYTES);
  // The long messages make pages that end at their byte limit.
  expect(Math.max(...bytes)).toBeGreaterThan(HZ_BATCH_BYTES * 0.9);
  // Less than the bytes that passed through: the gateway never held the whole backlog.
  expect(peak - before).toBeLessThan(bytes.reduce((sum, one) => sum + one, 0));
});
