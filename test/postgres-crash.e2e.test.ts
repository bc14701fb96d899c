import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, jest, test } from '@jest/globals';
import { type TcpProxy, eventually } from '@huizhi/dev-env';
import type { TestUser } from './support/test-user.js';
import { Scenario } from './support/scenario.js';
import { Lanes } from './support/lanes.js';
import { TestCluster } from './support/test-cluster.js';

/** 8, deeper: the database dies, freezes and eats answers under both services at once, in the middle of everything. */

jest.setTimeout(120_000);

let cluster: TestCluster;
let lanes: Lanes;
beforeAll(async () => {
  cluster = await TestCluster.start({
    postgres: 'own',
    instances: { gateway: 2, message: 2, offline: 2 },
    throughProxy: ['message.postgres', 'offline.postgres'],
    env: {
      gateway: {
        HZ_LOGIN_ATTEMPTS: '1000',
        HZ_LOGIN_BUDGET: '2s',
        HZ_SEND_TIMEOUT: '5s',
        HZ_RESEND_AFTER: '300ms',
        HZ_REDELIVER_AFTER: '2s',
        HZ_REDELIVER_MAX: '4s',
        HZ_REORDER_HOLD: '1s',
      },
      message: { HZ_LEASE: '1s' },
      offline: { HZ_LEASE: '1s' },
    },
  });
}, 120_000);
afterAll(() => cluster?.stop(), 60_000);
afterEach(async () => {
  await Promise.all(SCHEMAS.flatMap((schema) => proxies(schema).map((proxy) => proxy.heal())));
  await cluster.mended();
}, 60_000);

const SCHEMAS = ['message', 'offline'] as const;
const proxies = (schema: (typeof SCHEMAS)[number]): TcpProxy[] =>
  [0, 1].map((i) => cluster.system.proxy(`${schema}.postgres`, i));

/** Pairs and a group, all of them talking; one device away, so that there are batches too. */
async function crowd(scenario: Scenario): Promise<TestUser[]> {
  const actors = await scenario.users('pg', 5);
  const [alice, bob, carol, dave] = actors as [TestUser, TestUser, TestUser, TestUser];
  const group = await scenario.group(alice, actors.slice(1));
  alice.talk([group, scenario.pair(alice, bob)], 2, 20);
  carol.talk([group, scenario.pair(carol, dave)], 2, 20);
  await scenario.more(20);
  return actors;
}

/** What the tables say afterwards: the connections of those who look were cut with the rest. */
async function noHoles(): Promise<void> {
  lanes = await Lanes.of(cluster);
  await lanes.haveNoHoles().finally(() => lanes.close());
  await cluster.noLag();
}

describe('8: PostgreSQL under load', () => {
  const server = (): NonNullable<typeof cluster.system.postgres> => cluster.system.postgres!;

  test.each([
    ['is killed with all its processes', () => server().kill9()],
    ['is shut down at once, without a checkpoint', () => shutDownAtOnce()],
    ['is stopped in order', () => server().stop()],
  ])('%s and started again: nothing acknowledged is missing', async (what, end) => {
    await Scenario.play(cluster, what, async (scenario) => {
      const actors = await crowd(scenario);
      await scenario.fault(what, async () => {
        await end();
        actors[4]!.client.networkLost();
        await server().restart();
        actors[4]!.client.networkBack();
      });
      await scenario.more(40);
    });
    await noHoles();
  });

  test('is frozen for longer than any statement may take, and wakes up: no second writer, no hole', async () => {
    await Scenario.play(cluster, 'frozen', async (scenario) => {
      await crowd(scenario);
      await scenario.fault('PostgreSQL is frozen', async () => {
        const frozen = [server().pid!];
        try {
          // The postmaster first: frozen, it starts nobody while the others are listed.
          signal(frozen[0]!, 'SIGSTOP');
          for (const pid of server().pids().slice(1)) if (signal(pid, 'SIGSTOP')) frozen.push(pid);
          // A statement may take 4 s, its answer 5 s.
          await delay(6_000);
        } finally {
          for (const pid of frozen) signal(pid, 'SIGCONT');
        }
      });
      await scenario.more(40);
    });
    await noHoles();
  });

  /** False when it has ended meanwhile, as a backend does when its client leaves. */
  function signal(pid: number, name: NodeJS.Signals): boolean {
    try {
      return process.kill(pid, name);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      return false;
    }
  }

  async function shutDownAtOnce(): Promise<void> {
    const { pid } = server();
    process.kill(pid!, 'SIGQUIT');
    await eventually('the server to end', () => server().pid === undefined);
  }
});

describe('8: the answer to what an owner commits', () => {
  /** The column in which an owner's statement answers, after its commit. */
  const ANSWER = 'fenced\0';

  test.each([
    ['message', 'reset'],
    ['message', 'silence'],
    ['offline', 'reset'],
    ['offline', 'silence'],
  ] as ['message' | 'offline', 'reset' | 'silence'][])(
    'of the %s service is eaten (%s), at both instances: the truth is read again',
    async (schema, then) => {
      await Scenario.play(cluster, `${schema} ${then}`, async (scenario) => {
        await crowd(scenario);
        await scenario.fault('answers are eaten', async () => {
          // Whichever of the two writes next; the other's turn comes while the first is still in doubt, or not at all.
          const first = await Promise.any(
            proxies(schema).map((proxy) => proxy.dropResponsesOnce(ANSWER, then).then(() => proxy)),
          );
          await scenario.more(40);
          // What it has not eaten by now it must not eat when the fault is over. The first one's silence lasts.
          for (const proxy of proxies(schema)) if (proxy !== first) await proxy.heal();
        });
      });
      await noHoles();
    },
  );
});

test('every service is killed and started again at once: messages flow again, and nothing of before is lost', async () => {
  await Scenario.play(cluster, 'restart of everything', async (scenario) => {
    await crowd(scenario);
    await scenario.fault('all are killed', async () => {
      const services = cluster.services();
      await Promise.all(services.map((service) => service.kill9()));
      await Promise.all(services.map((service) => service.launch()));
      await Promise.all(services.map((service) => service.waitReady()));
    });
    await scenario.more(40);
    await eventually('everybody to be back', () => scenario.actors.every(({ logins }) => logins >= 2));
  });
  await noHoles();
});
