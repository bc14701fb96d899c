import { afterAll, afterEach, beforeAll, expect, jest, test } from '@jest/globals';
import type { Service } from '@huizhi/dev-env';
import { Lanes, type Owners } from './support/lanes.js';
import { TestCluster } from './support/test-cluster.js';

/** An owner that ticks and answers probes, but whose writer never finishes, loses its lanes. */

jest.setTimeout(90_000);

/** After 15 s the instance renews nothing, and one lease later another is the owner. */
const OVERTAKEN_MS = 40_000;

let cluster: TestCluster;
let lanes: Record<Owners, Lanes>;
beforeAll(async () => {
  cluster = await TestCluster.start({
    instances: { message: 2, offline: 2 },
    env: { gateway: { HZ_SEND_TIMEOUT: '2s' }, message: { HZ_LEASE: '1s' }, offline: { HZ_LEASE: '1s' } },
  });
  lanes = { message: await Lanes.of(cluster, 'message'), offline: await Lanes.of(cluster, 'offline') };
}, 120_000);
afterAll(async () => {
  await Promise.all([lanes?.message.close(), lanes?.offline.close()]);
  await cluster?.stop();
}, 60_000);
afterEach(() => cluster.mended(), 60_000);

const livez = async (service: Service): Promise<number> => (await fetch(`${service.baseUrl}/livez`)).status;

test.each(['message', 'offline'] as const)(
  'a stuck instance of the %s service loses its lanes but no message, and its /livez fails',
  async (kind) => {
    const [alice, bob] = [await cluster.device(cluster.name('alice')), await cluster.device(cluster.name('bob'))];
    const [from, to] = [alice.options.user, bob.options.user];
    const before = await alice.settle(to, 'm1');
    await bob.sawMessages(1);
    const instances = cluster.system.instances(kind);
    await lanes[kind].sharedBy(...instances);
    const stuck = await lanes[kind].owner(from, to);
    const others = instances.filter((service) => service !== stuck);
    expect(await livez(stuck)).toBe(200);
    await cluster.arm(stuck, `${kind}.before-commit=hang`);
    try {
      const receipts = [before, await alice.settle(to, 'm2'), await alice.settle(to, 'm3')];
      await bob.until('all messages', () => bob.messageIDs.size === 3, OVERTAKEN_MS);
      await cluster.nothingLost(alice, bob, receipts);
      expect(await livez(stuck)).toBe(503);
      for (const other of others) expect(await livez(other)).toBe(200);
    } finally {
      await stuck.kill9();
    }
  },
);
