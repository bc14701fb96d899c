import { TcpProxy } from '@huizhi/dev-env';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { Device } from './support/device.js';
import { expectWholeInbox, idsOf, sendTexts, type Receipts } from './support/ledger.js';
import { TestCluster } from './support/test-cluster.js';

jest.setTimeout(240_000);

const MIB = 2 ** 20;
const TEXT = 'x'.repeat(32 * 1024);
/** 48 MiB: far more than the buffers in between hold, and twelve seconds to read at this rate. */
const LONG = 1_536;
/** Devices of one user; each reads everything. */
const READERS = ['slow-1', 'slow-2', 'slow-3', 'slow-4'];
const BYTES = LONG * TEXT.length;
const HZ_BYTES_PER_SECOND = 4 * MIB;
/**
 * Shorter than the reading time. The kernel reports free space when a third of its buffer is free, at most 2 MB. That
 * takes half a second here, and machines that are several times slower still meet the limit.
 */
const WRITE_STALL_MS = 8_000;
const LATE = 20;
/** In milliseconds, for machines that are several times slower. */
const QUICK_MS = 1_000;
const READ_WITHIN_MS = 120_000;

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.start({
    env: {
      gateway: {
        HZ_WRITE_STALL: `${WRITE_STALL_MS}ms`,
        // Only the full socket may slow the gateway down, and slowness must not cause redeliveries.
        HZ_WINDOW: '10000',
        HZ_FRAMES_PER_SECOND: '100000',
        HZ_REDELIVER_AFTER: '1h',
        HZ_REDELIVER_MAX: '1h',
        // The devices here send no heartbeats.
        HZ_HEARTBEAT_MIN: '10m',
      },
    },
  });
}, 120_000);
afterAll(() => cluster?.stop(), 60_000);

/** Sends long texts, a few at a time. */
async function sendLong(from: Device, to: string): Promise<Receipts> {
  const receipts: Receipts = [];
  while (receipts.length < LONG) {
    const ids = Array.from({ length: 16 }, (_, n) => `long-${receipts.length + n}`);
    for (const id of ids) from.text(to, id, TEXT);
    receipts.push(...(await Promise.all(ids.map((id) => from.answer(id)))));
  }
  return receipts;
}

/**
 * The bytes that the gateway holds, including memory not yet collected; the minimum of many samples is what it keeps.
 */
async function heldBytes(): Promise<number> {
  const gateway = cluster.system.gateway();
  const [heap = 0, external = 0] = await Promise.all(
    ['nodejs_heap_size_used_bytes', 'nodejs_external_memory_bytes'].map((name) => cluster.metric(gateway, name)),
  );
  return heap + external;
}

/** Measures until `isOver` the median delivery time of a message in milliseconds. */
async function trips(
  from: Device,
  to: Device,
  word: string,
  isOver: (count: number) => Promise<boolean>,
): Promise<number> {
  const took: number[] = [];
  while (!(await isOver(took.length))) {
    const begun = performance.now();
    const clientMsgID = `${word}-${took.length}`;
    from.text(to.options.user, clientMsgID);
    await to.next({ clientMsgID });
    took.push(performance.now() - begun);
  }
  return took.sort((one, other) => one - other)[took.length >> 1] ?? Infinity;
}

test('a slow reader gets every message in order while its gateway buffers little and others stay fast', async () => {
  const device = (name: string): Promise<Device> => cluster.device(cluster.name(name));
  const [alice, carol, dave] = [await device('alice'), await device('carol'), await device('dave')];
  const bob = cluster.name('bob');
  for (const deviceID of READERS) await (await cluster.device(bob, deviceID)).drop();
  // Deliver everything once before, so that one-time memory costs are already paid.
  const tablet = await cluster.device(bob, 'tablet');
  const receipts = await sendLong(alice, bob);
  await tablet.confirmed(LONG);
  let base = Infinity;
  const before = await trips(carol, dave, 'before', async (count) => {
    base = Math.min(base, await heldBytes());
    return count === 50;
  });

  const { address } = cluster.system;
  const proxy = await TcpProxy.start({ target: address });
  try {
    const token = await cluster.system.token(bob);
    const connect = (deviceID: string): Promise<Device> =>
      Device.connect({ ...address, port: proxy.port }, { user: bob, deviceID, token });
    const readers = await Promise.all(READERS.map(connect));
    proxy.throttle(HZ_BYTES_PER_SECOND);
    const begun = performance.now();
    for (const reader of readers) expect(await reader.login()).toMatchObject({ code: 0, waiting: LONG });
    receipts.push(...(await sendTexts(alice, bob, LATE, 'late')));
    const total = LONG + LATE;
    let [held, isOver] = [Infinity, false];
    const all = Promise.all(
      readers.map((reader) => reader.until('everything', () => reader.seen.length >= total, READ_WITHIN_MS)),
    ).finally(() => (isOver = true));
    const during = await trips(carol, dave, 'during', async () => {
      // A gateway that buffers without limit would have read everything after an eighth and still hold most of it.
      const looks = readers.every(({ seen }) => seen.length > LONG / 8 && seen.length < (LONG * 3) / 8);
      if (looks) held = Math.min(held, await heldBytes());
      return isOver;
    });
    await all;
    const tookMs = performance.now() - begun;
    // The sockets did not accept everything at once for at least this time.
    expect(tookMs).toBeGreaterThan(WRITE_STALL_MS);
    for (const reader of readers) {
      await reader.confirmed(total);
      expectWholeInbox([reader], idsOf(receipts));
    }
    expect(held - base).toBeLessThan((READERS.length * BYTES) / 8);
    expect(during).toBeLessThan(Math.max(QUICK_MS, 10 * before));
    await Promise.all(readers.map((reader) => reader.drop()));
  } finally {
    await proxy.stop();
  }
});
