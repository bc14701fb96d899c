import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Bus, silentLogger } from '@huizhi/runtime';
import fc from 'fast-check';
import { chanceOf, spoil, spoilEndings } from './chance.js';
import { FaultyBus } from './faulty-bus.js';
import { House } from './house.js';
import { inboxesOf, judgeLanes, judgeStored } from './stored.js';
import { Traffic } from './traffic.js';

const RUNS = Number(process.env['HZ_FAULT_RUNS'] ?? 300);
const SEED = Number(process.env['HZ_SEED'] ?? Date.now() % 1_000_000);
const HOUSES = 3;

interface Way {
  readonly house: House;
  readonly bus: FaultyBus;
}

let ways: Way[] = [];
beforeAll(async () => {
  ways = await Promise.all(
    Array.from({ length: HOUSES }, async () => {
      const house = await House.start({ gateways: 0, twins: true });
      const real = Bus.connect({ url: house.ground.natsUrl, name: 'gateway-of-the-test', log: silentLogger });
      await real.ready();
      return { house, bus: new FaultyBus(real) };
    }),
  );
}, 60_000);
afterAll(async () => {
  await Promise.all(
    ways.map(async ({ house, bus }) => {
      await bus.close();
      await house.stop();
    }),
  );
}, 60_000);

async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  say = (): void => undefined,
): Promise<void> {
  for (const end = Date.now() + 15_000; !(await holds());) {
    if (Date.now() > end) throw new Error(`waited 15 s for ${what}`);
    say();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const owner = fc.constantFrom('message' as const, 'offline' as const);
const action = fc.oneof(
  { weight: 12, arbitrary: fc.record({ do: fc.constant('send' as const), from: fc.nat(2), to: fc.nat(2) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.nat(15) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('cursor' as const), of: fc.nat(2), at: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('terminate' as const, 'drop' as const), owner }) },
);
const plan = fc.record({
  /** Of a hundred things said or transactions, how many go wrong. */
  share: fc.constantFrom(0, 3, 10, 30),
  seed: fc.nat(),
  actions: fc.array(action, { minLength: 5, maxLength: 40, size: 'max' }),
  /** One of the owners dies in the middle, or none. */
  crash: fc.option(owner, { freq: 4 }),
});
type Plan = typeof plan extends fc.Arbitrary<infer P> ? P : never;

function disturb({ house, bus }: Way, share: number, seed: number): void {
  const chance = chanceOf(seed);
  for (const one of house.all) {
    spoil(one.bus, share, chance);
    spoilEndings(one.endings, share, chance);
  }
  spoil(bus, share, chance);
  house.onBegin = (one) => {
    spoil(one.bus, share, chance);
    spoilEndings(one.endings, share, chance);
  };
}

function heal({ house, bus }: Way): void {
  house.onBegin = () => undefined;
  house.heal();
  bus.fate = () => 'pass';
}

async function act({ house }: Way, traffic: Traffic, one: Plan['actions'][number]): Promise<void> {
  if (one.do === 'send') traffic.send(one.from, one.to);
  else if (one.do === 'wait') await new Promise((resolve) => setTimeout(resolve, one.ms));
  else if (one.do === 'cursor') traffic.claimCursor(one.of, one.at);
  else if (one.do === 'terminate') await house.terminate(one.owner);
  else {
    house[one.owner].bus.drop();
    setTimeout(() => house[one.owner].bus.restore(), 10);
  }
}

async function carryOut(way: Way, { share, seed, actions, crash }: Plan): Promise<void> {
  const { house, bus } = way;
  const traffic = new Traffic(bus);
  try {
    await traffic.begin(house.ground.directory);
    disturb(way, share, seed);
    for (const [index, one] of actions.entries()) {
      await act(way, traffic, one);
      if (crash && index === actions.length >> 1) await house.crash(crash, true);
    }
    heal(way);
    await until('all receipts', () => traffic.isAnswered);
    const due = traffic.sent.reduce((sum, sent) => sum + sent.users.length, 0);
    const isThere = async (): Promise<boolean> => (await inboxesOf(house, traffic.users)).length >= due;
    await until('all entries', isThere).catch(async (error: Error) => {
      const state = [...(await judgeStored(house, traffic)), ...(await judgeLanes(house))];
      throw new Error([error.message, ...state].join('\n'));
    });
    expect(await judgeStored(house, traffic)).toEqual([]);
    await judgeDevices(traffic);
  } finally {
    heal(way);
    traffic.stop();
  }
}

/** What a device would be delivered is what is stored for it, once each, and its cursor arrives. */
async function judgeDevices(traffic: Traffic): Promise<void> {
  for (const [n, tablet] of traffic.tablets.entries()) {
    const texts = (await traffic.fetchAll(tablet)).map(
      (body) => (JSON.parse(body) as { content: { text: string } }).content.text,
    );
    const mine = traffic.sent.filter((sent) => sent.users.includes(tablet.user)).map((sent) => sent.send.clientID);
    expect([...texts].sort()).toEqual([...mine].sort());
    const head = mine.length;
    await until(
      'a cursor',
      () => tablet.confirmed >= head,
      () => traffic.claimCursor(n, head),
    );
    expect(tablet.confirmed).toBe(head);
  }
}

test(
  'lanes and inboxes come out right, whatever bus and database lose, delay, double or leave unknown',
  async () => {
    const started = Date.now();
    const numRuns = Math.ceil(RUNS / HOUSES);
    await Promise.all(
      ways.map((way, n) =>
        fc.assert(
          fc.asyncProperty(plan, (one) => carryOut(way, one)),
          { seed: SEED + n, numRuns, endOnFailure: true },
        ),
      ),
    );
    for (const { house } of ways) await until('the vectors', async () => (await judgeLanes(house)).length === 0);
    process.stderr.write(`faults: ${numRuns * HOUSES} runs, seeds from ${SEED}, ${Date.now() - started} ms\n`);
  },
  Math.max(120_000, RUNS * 1_000),
);
