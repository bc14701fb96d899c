import { afterAll, afterEach, beforeAll, expect, jest, test } from '@jest/globals';
import { type Service, eventually } from '@huizhi/constellation';
import { inboxLaneOf, laneOf, pairConversation } from '@huizhi/protocol';
import pg from 'pg';
import { World } from './support/world.js';

/** An owner that lives, ticks, answers probes, and whose writer never comes back: nobody waits for it for ever. */

jest.setTimeout(90_000);

/** After fifteen seconds it renews nothing, and a lease later another is the owner. */
const OVERTAKEN_MS = 40_000;

const lanesOf = {
  message: (alice: string, bob: string) => laneOf(pairConversation(alice, bob), 32),
  offline: (_alice: string, bob: string) => inboxLaneOf(bob, 16),
};
type Kind = keyof typeof lanesOf;

let world: World;
beforeAll(async () => {
  world = await World.start({
    instances: { message: 2, offline: 2 },
    env: { gateway: { SEND_TIMEOUT: '2s' }, message: { LEASE: '1s' }, offline: { LEASE: '1s' } },
  });
}, 120_000);
afterAll(() => world?.stop(), 60_000);
afterEach(() => world.mended(), 60_000);

/** The instance that owns what is said from one to the other. */
async function ownerOf(kind: Kind, alice: string, bob: string): Promise<Service> {
  const client = new pg.Client({ connectionString: world.system.databaseUrl(kind) });
  await client.connect();
  try {
    return await eventually('an owner', async () => {
      const query = `select owner from ${kind}.lane where lane = $1 and lease_until > now()`;
      const { rows } = await client.query<{ owner: string }>(query, [lanesOf[kind](alice, bob)]);
      const mark = `"instance":"${rows[0]?.owner}"`;
      return world.system.instances(kind).find(({ logs }) => logs.some((line) => line.includes(mark)));
    });
  } finally {
    await client.end();
  }
}

const livez = async (service: Service): Promise<number> => (await fetch(`${service.baseUrl}/livez`)).status;

test.each(['message', 'offline'] as const)(
  'the %s service: another takes its lanes, nothing is lost, and /livez asks for its end',
  async (kind) => {
    const [alice, bob] = [await world.device(world.name('alice')), await world.device(world.name('bob'))];
    const [from, to] = [alice.options.user, bob.options.user];
    const before = await alice.settle(to, 'm1');
    await bob.sawMessages(1);
    const stuck = await ownerOf(kind, from, to);
    const others = world.system.instances(kind).filter((service) => service !== stuck);
    expect(await livez(stuck)).toBe(200);
    await world.arm(stuck, `${kind}.before-commit=hang`);
    try {
      const receipts = [before, await alice.settle(to, 'm2'), await alice.settle(to, 'm3')];
      await bob.until('all messages', () => bob.messageIDs.size === 3, OVERTAKEN_MS);
      await world.nothingLost(alice, bob, receipts);
      expect(await livez(stuck)).toBe(503);
      for (const other of others) expect(await livez(other)).toBe(200);
    } finally {
      await stuck.kill9();
    }
  },
);
