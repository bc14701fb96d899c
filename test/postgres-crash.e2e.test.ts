import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, jest, test } from '@jest/globals';
import { type TcpProxy, eventually } from '@huizhi/dev-env';
import type { TestUser } from './support/test-user.js';
import { Scenario } from './support/scenario.js';
import { Lanes } from './support/lanes.js';
import { TestCluster } from './support/test-cluster.js';

/** The database crashes, freezes and loses answers under both services at once, under load. */

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

/** Pairs and a group that all exchange messages; one device is offline, so that there are batches too. */
async function crowd(scenario: Scenario): Promise<TestUser[]> {
  const actors = await scenario.users('pg', 5);
  const [alice, bob, carol, dave] = actors as [TestUser, TestUser, TestUser, TestUser];
  const group = await scenario.group(alice, actors.slice(1));
  alice.talk([group, scenario.pair(alice, bob)], 2, 20);
  carol.talk([group, scenario.pair(carol, dave)], 2, 20);
  await scenario.more(20);
  return actors;
}

/** Checks the tables for gaps. Uses new connections, because existing ones were cut. */
async function noHoles(): Promise<void> {
  lanes = await Lanes.of(cluster);
  await lanes.haveNoHoles().finally(() => lanes.close());
  await cluster.noLag();
}

describe('PostgreSQL under load', () => {
  const server = (): NonNullable<typeof cluster.system.postgres> => cluster.system.postgres!;

  test.each([
    ['killed with all its processes', () => server().kill9()],
    ['shut down at once, without a checkpoint', () => shutDownAtOnce()],
    ['stopped in order', () => server().stop()],
  ])('PostgreSQL, %s and restarted, loses no receipted message', async (what, end) => {
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

  test('a freeze of PostgreSQL beyond the statement time-outs causes no second writer and no gap', async () => {
    await Scenario.play(cluster, 'frozen', async (scenario) => {
      await crowd(scenario);
      await scenario.fault('PostgreSQL is frozen', async () => {
        const frozen = [server().pid!];
        try {
          // The postmaster first: frozen, it starts no process while the others are listed.
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

  /** Returns false when the process has ended meanwhile, as a backend does when its client disconnects. */
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

describe('the answer to an owner’s commit', () => {
  /** The result column of the owner's statement, sent after its commit. */
  const ANSWER = 'fenced\0';

  test.each([
    ['message', 'reset'],
    ['message', 'silence'],
    ['offline', 'reset'],
    ['offline', 'silence'],
  ] as ['message' | 'offline', 'reset' | 'silence'][])(
    'the %s service reads the stored state again when its commit answers are dropped (%s)',
    async (schema, then) => {
      await Scenario.play(cluster, `${schema} ${then}`, async (scenario) => {
        await crowd(scenario);
        await scenario.fault('answers are eaten', async () => {
          // Wait for the writer that writes first. The other one drops its answer while the first is in doubt, or not
          // at all.
          const first = await Promise.any(
            proxies(schema).map((proxy) => proxy.dropResponsesOnce(ANSWER, then).then(() => proxy)),
          );
          await scenario.more(40);
          // A proxy that has dropped no answer yet must not drop one after the fault. The first one stays silent.
          for (const proxy of proxies(schema)) if (proxy !== first) await proxy.heal();
        });
      });
      await noHoles();
    },
  );
});

test('the system loses no message when every service is killed and restarted at once', async () => {
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
