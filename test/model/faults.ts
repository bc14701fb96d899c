import { eventually } from '@huizhi/dev-env';
import { Bus, silentLogger } from '@huizhi/runtime';
import fc from 'fast-check';
import { chanceOf, spoil, spoilEndings } from './chance.js';
import { FaultyBus } from './faulty-bus.js';
import { ModelCluster } from './model-cluster.js';
import { PATIENCE_MS } from './model-servers.js';
import { inboxesOf, isBehind, judgeLanes, judgeStored } from './stored.js';
import { Traffic, type Tablet } from './traffic.js';

/** A test cluster with two instances of each owner. The test acts as their gateway. */
export interface Way {
  readonly cluster: ModelCluster;
  readonly bus: FaultyBus;
  stop(): Promise<void>;
}

export async function openWay(): Promise<Way> {
  const cluster = await ModelCluster.start({ gateways: 0, twins: true });
  const real = Bus.connect({ url: cluster.servers.natsUrl, name: 'gateway-of-the-test', log: silentLogger });
  await real.ready();
  const bus = new FaultyBus(real);
  const stop = async (): Promise<void> => {
    await bus.close();
    await cluster.stop();
  };
  return { cluster, bus, stop };
}

const owner = fc.constantFrom('message' as const, 'offline' as const);
const action = fc.oneof(
  { weight: 12, arbitrary: fc.record({ do: fc.constant('send' as const), from: fc.nat(2), to: fc.nat(2) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.nat(15) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('cursor' as const), of: fc.nat(2), at: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('terminate' as const, 'drop' as const), owner }) },
);
export const plan = fc.record({
  /** Percentage of bus messages and transactions that fail. */
  share: fc.constantFrom(0, 3, 10, 30),
  seed: fc.nat(),
  actions: fc.array(action, { minLength: 5, maxLength: 40, size: 'max' }),
  /** The owner that crashes in the middle, if any. */
  crash: fc.option(owner, { freq: 4 }),
});
export type Plan = typeof plan extends fc.Arbitrary<infer P> ? P : never;

function disturb({ cluster, bus }: Way, share: number, seed: number): void {
  const chance = chanceOf(seed);
  for (const one of cluster.all) {
    spoil(one.bus, share, chance);
    spoilEndings(one.endings, share, chance);
  }
  spoil(bus, share, chance);
  cluster.onBegin = (one) => {
    spoil(one.bus, share, chance);
    spoilEndings(one.endings, share, chance);
  };
}

function heal({ cluster, bus }: Way): void {
  cluster.onBegin = () => undefined;
  cluster.heal();
  bus.fate = () => 'pass';
}

async function act({ cluster }: Way, traffic: Traffic, one: Plan['actions'][number]): Promise<void> {
  if (one.do === 'send') traffic.send(one.from, one.to);
  else if (one.do === 'wait') await new Promise((resolve) => setTimeout(resolve, one.ms));
  else if (one.do === 'cursor') traffic.claimCursor(one.of, one.at);
  else if (one.do === 'terminate') await cluster.terminate(one.owner);
  else {
    cluster[one.owner].bus.drop();
    setTimeout(() => cluster[one.owner].bus.restore(), 10);
  }
}

/** @throws an error with all violations */
export async function carryOut(way: Way, { share, seed, actions, crash }: Plan): Promise<void> {
  const { cluster, bus } = way;
  const traffic = new Traffic(bus);
  try {
    await traffic.begin(cluster.servers.directory);
    disturb(way, share, seed);
    for (const [index, one] of actions.entries()) {
      await act(way, traffic, one);
      if (crash && index === actions.length >> 1) await cluster.crash(crash, true);
    }
    heal(way);
    await settle(way, traffic);
    for (const [n, tablet] of traffic.tablets.entries()) await judgeDevice(traffic, tablet, n);
  } finally {
    heal(way);
    traffic.stop();
  }
}

/**
 * Waits until every send is answered, and until every entry is in the inboxes or can no longer arrive because the lanes
 * are applied. @throws an error with all violations
 */
async function settle({ cluster }: Way, traffic: Traffic): Promise<void> {
  await eventually('all answers', () => traffic.isAnswered, PATIENCE_MS);
  const due = traffic.sent.reduce((sum, sent) => sum + sent.users.length, 0);
  const isDone = async (): Promise<boolean> =>
    (await inboxesOf(cluster, traffic.users)).length >= due || !(await isBehind(cluster));
  const late = await eventually('all entries', isDone, PATIENCE_MS).then(
    () => [],
    async (error: Error) => [error.message, ...(await judgeLanes(cluster))],
  );
  const wrong = [...late, ...(await judgeStored(cluster, traffic))];
  if (wrong.length > 0) throw new Error(`wrongly stored:\n  ${wrong.join('\n  ')}`);
}

/** Checks that the device gets each of its stored messages once, and that its cursor is confirmed. */
async function judgeDevice(traffic: Traffic, tablet: Tablet, n: number): Promise<void> {
  const texts = (await traffic.fetchAll(tablet)).map(textOf).sort();
  const mine = traffic.sent.filter((sent) => sent.users.includes(tablet.user)).map((sent) => sent.send.clientID);
  const same = JSON.stringify(texts) === JSON.stringify([...mine].sort());
  if (!same) throw new Error(`${tablet.user} would receive ${texts.join(' ')} of ${mine.join(' ')}`);
  const isStored = (): boolean => {
    traffic.claimCursor(n, mine.length);
    return tablet.confirmed >= mine.length;
  };
  await eventually('a cursor', isStored, PATIENCE_MS);
  if (tablet.confirmed > mine.length)
    throw new Error(`${tablet.user}: ${tablet.confirmed} confirmed of ${mine.length}`);
}

const textOf = (body: string): string => (JSON.parse(body) as { content: { text: string } }).content.text;
