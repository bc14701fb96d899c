import { setTimeout as delay } from 'node:timers/promises';
import { type TcpProxy, eventually } from '@huizhi/dev-env';
import { subjects } from '@huizhi/protocol';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { connect } from '@nats-io/transport-node';
import type { TestUser } from './support/test-user.js';
import { Scenario } from './support/scenario.js';
import { Device } from './support/device.js';
import { TestCluster } from './support/test-cluster.js';

/**
 * Outages of the bus or a service that outlast every time-out several times (time-outs are short here, so the outage
 * lasts seconds), partial disconnects, and consumers too slow for the bus.
 */

jest.setTimeout(120_000);

/** Several times longer than each time-out below, and than three leases. */
const HOUR_MS = 5_000;
const LOGIN_BUDGET_MS = 1_000;

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.start({
    instances: { gateway: 2, message: 2, offline: 2 },
    throughProxy: ['gateway.nats', 'message.nats', 'offline.nats', 'message.postgres', 'offline.postgres'],
    // The server disconnects a consumer that does not read for half a second.
    natsSettings: ['write_deadline: "500ms"', 'max_pending: 4194304'],
    env: {
      gateway: {
        HZ_LOGIN_ATTEMPTS: '1000',
        HZ_LOGIN_BUDGET: `${LOGIN_BUDGET_MS}ms`,
        HZ_FRAMES_PER_SECOND: '10000',
        HZ_SEND_TIMEOUT: '1s',
        HZ_RESEND_AFTER: '200ms',
        HZ_RESEND_MAX: '500ms',
        HZ_REORDER_HOLD: '1s',
        HZ_REDELIVER_AFTER: '500ms',
        HZ_REDELIVER_MAX: '1s',
        HZ_RECEIPT_OVERDUE: '2s',
        HZ_CURSOR_REPEAT: '200ms',
        HZ_FETCH_TIMEOUT: '500ms',
        HZ_RECONCILE: '1s',
        HZ_STALE_AFTER: '2s',
        HZ_HEARTBEAT: '1s',
        HZ_HEARTBEAT_MIN: '2s',
      },
      message: { HZ_LEASE: '1s' },
      offline: { HZ_LEASE: '1s' },
    },
  });
}, 120_000);
afterAll(() => cluster?.stop(), 60_000);
afterEach(async () => {
  await Promise.all(kinds.flatMap((kind) => proxies(kind).map((proxy) => proxy.heal())));
  await cluster.mended();
}, 60_000);

const kinds = ['gateway', 'message', 'offline'] as const;
const proxies = (kind: (typeof kinds)[number]): TcpProxy[] =>
  [0, 1].map((i) => cluster.system.proxy(`${kind}.nats`, i));

/** Two pairs and a group, distributed over the gateways. */
async function crowd(scenario: Scenario): Promise<TestUser[]> {
  const actors = await Promise.all(
    [0, 1, 0, 1].map((gateway) => scenario.testUser(cluster.name('out'), 'phone', { gateways: [gateway] })),
  );
  const [alice, bob, carol, dave] = actors as [TestUser, TestUser, TestUser, TestUser];
  const group = await scenario.group(alice, [bob, carol, dave]);
  alice.talk([group, scenario.pair(alice, carol)], 1);
  bob.talk([group, scenario.pair(bob, dave)], 1);
  await scenario.more(10);
  return actors;
}

/** Whether the first instance reports ready. */
async function ready(kind: (typeof kinds)[number]): Promise<boolean> {
  return (await fetch(`${cluster.system.service(kind).baseUrl}/readyz`)).ok;
}

/** Logs a user in. A login may take a second here, and a busy machine may need more, so it is repeated. */
const getsIn = (user: string): Promise<Device> =>
  eventually(`${user} to get in`, () => cluster.device(user).catch(() => undefined));

async function arrives(actor: TestUser, count: number): Promise<void> {
  const goal = actor.received.size + count;
  await eventually(`${actor.where} to get more`, () => actor.received.size >= goal);
}

async function further(actor: TestUser, count: number): Promise<void> {
  const goal = actor.receipted + count;
  await eventually(`${actor.where} to go on`, () => actor.receipted >= goal);
}

describe('an instance that is cut off from the bus only', () => {
  const ways = kinds.flatMap((kind) => (['cut', 'blackhole'] as const).map((how) => [kind, how] as const));

  test.each(ways)(
    'a %s without the bus (%s) does not stop the others, and every message is delivered afterwards',
    async (kind, how) => {
      await Scenario.play(cluster, `${kind} ${how}`, async (scenario) => {
        const [alice, bob, carol, dave] = (await crowd(scenario)) as [TestUser, TestUser, TestUser, TestUser];
        const proxy = proxies(kind)[0]!;
        await scenario.fault(`${kind} ${how}`, async () => {
          await proxy[how]();
          // Bob and Dave use the second gateway; after the lease every lane has an owner again.
          await eventually('the fault to be noticed', async () => ((await ready(kind)) ? undefined : true));
          const [saidBefore, gotBefore] = [bob.receiptedBy(), dave.received.size];
          await eventually(
            'everything Bob says to be receipted, and to arrive',
            () =>
              [...saidBefore].every(([to, count]) => (bob.receiptedBy().get(to) ?? 0) > count + 5) &&
              dave.received.size > gotBefore + 5,
          );
          if (kind !== 'gateway') await Promise.all([further(alice, 10), arrives(carol, 10)]);
          await proxy.heal();
        });
        await scenario.more(20);
      });
      await cluster.noLag();
    },
  );
});

describe('an outage longer than every time-out', () => {
  test('an outage of the bus refuses sends temporarily, fails none and loses none', async () => {
    await Scenario.play(cluster, 'bus for an hour', async (scenario) => {
      await crowd(scenario);
      const raw = await getsIn(cluster.name('raw'));
      await scenario.fault('NATS is away', async () => {
        await cluster.system.nats!.kill9();
        raw.text(scenario.actors[0]!.user, 'meanwhile');
        // Either an answer, or a close because the gateway is stale; both within bounds.
        const answer = await raw.answer('meanwhile').catch(() => raw.closed);
        expect(answer).toMatchObject(answer?.messageType === 'close' ? { reconnect: true } : { temporary: true });
        await delay(HOUR_MS);
        await cluster.system.nats!.restart();
      });
      await scenario.more(20);
    });
    await cluster.noLag();
  });

  test('an outage of the offline services delays deliveries, but no receipts, of thousands of messages', async () => {
    await Scenario.play(cluster, 'offline for an hour', async (scenario) => {
      const [alice, bob] = await crowd(scenario);
      const services = cluster.system.instances('offline');
      await scenario.fault('offline is away', async () => {
        await Promise.all(services.map((service) => service.kill9()));
        const began = performance.now();
        const target = scenario.pair(alice!, bob!);
        // As many messages in flight as the SDK allows.
        for (let wave = 0; wave < 3; wave++) {
          await Promise.all(Array.from({ length: 500 }, (_, n) => alice!.say(target, `volume ${wave} ${n}`)));
        }
        await delay(Math.max(0, HOUR_MS - (performance.now() - began)));
        await Promise.all(services.map((service) => service.restart()));
      });
      await scenario.more(20);
    });
    await cluster.noLag();
  });

  test('an outage of the message services loses no accepted message', async () => {
    await Scenario.play(cluster, 'message for an hour', async (scenario) => {
      await crowd(scenario);
      const services = cluster.system.instances('message');
      await scenario.fault('message is away', async () => {
        await Promise.all(services.map((service) => service.kill9()));
        await delay(HOUR_MS);
        await Promise.all(services.map((service) => service.restart()));
      });
      await scenario.more(20);
    });
    await cluster.noLag();
  });
});

describe('a consumer too slow for the bus', () => {
  const cutOff = (): number => cluster.system.nats!.logs.filter((line) => /slow consumer/i.test(line)).length;

  /** Publishes more than the sockets and the server's buffer hold, on a subject that every consumer receives. */
  async function flood(until: () => boolean): Promise<void> {
    const { host, username: user, password: pass } = new URL(cluster.system.natsUrl());
    const client = await connect({ servers: host, user, pass });
    const events = { owner: 'nobody', taken: false, lanes: [], released: false, padding: 'x'.repeat(400_000) };
    try {
      await eventually('the server to disconnect the slow consumer', async () => {
        if (until()) return true;
        for (const service of ['message', 'offline'] as const)
          client.publish(subjects.lanes(service), JSON.stringify(events));
        await client.flush();
        return undefined;
      });
    } finally {
      await client.close();
    }
  }

  test.each(kinds)('a %s reconnects after the server cut it off, and misses no message', async (kind) => {
    await Scenario.play(cluster, `slow ${kind}`, async (scenario) => {
      await crowd(scenario);
      const service = cluster.system.service(kind);
      const before = cutOff();
      await scenario.fault('slow consumer', async () => {
        service.freeze();
        await flood(() => cutOff() > before).finally(() => service.resume());
        await service.waitReady();
      });
      await scenario.more(20);
    });
    await cluster.noLag();
  });
});

describe('a login during an outage behind the gateway', () => {
  const outages: [string, () => Promise<unknown>, () => Promise<unknown>][] = [
    ['the bus', () => cluster.system.nats!.kill9(), () => cluster.system.nats!.restart()],
    ['the offline service', () => each('offline', 'kill9'), () => each('offline', 'restart')],
    ['the message service', () => each('message', 'kill9'), () => each('message', 'restart')],
    ['PostgreSQL', () => postgres('cut'), () => postgres('heal')],
  ];
  const each = (kind: (typeof kinds)[number], what: 'kill9' | 'restart'): Promise<unknown> =>
    Promise.all(cluster.system.instances(kind).map((service) => service[what]()));
  const postgres = (what: 'cut' | 'heal'): Promise<unknown> =>
    Promise.all(
      (['message', 'offline'] as const).flatMap((schema) =>
        [0, 1].map((i) => cluster.system.proxy(`${schema}.postgres`, i)[what]()),
      ),
    );

  test.each(outages)(
    'a login without %s is refused temporarily in bounded time, and clients back off until it works',
    async (what, begin, end) => {
      await Scenario.play(cluster, `login without ${what}`, async (scenario) => {
        const newcomer = cluster.name('new');
        // The SDK's default back-off, because shorter test timings would retry more often.
        const timings = { reconnect: { baseMs: 500, maxMs: 30_000 } };
        const actors = await Promise.all(
          [0, 1, 0, 1].map((gateway) => scenario.testUser(cluster.name('in'), 'phone', { gateway, timings })),
        );
        for (const { client } of actors) client.networkLost();
        const refusals = await refused();
        await scenario.fault(`${what} is away`, async () => {
          await begin();
          for (const { client } of actors) client.networkBack();
          const asked = performance.now();
          const device = await Device.connect(cluster.system.address, {
            user: newcomer,
            deviceID: 'd',
            token: await cluster.system.token(newcomer),
          });
          expect(await device.login()).toMatchObject({ code: 2001, name: 'unavailable' });
          expect(await device.closed).toMatchObject({ reconnect: true });
          expect(performance.now() - asked).toBeLessThan(LOGIN_BUDGET_MS + 5_000);
          await delay(2 * LOGIN_BUDGET_MS);
          // Four clients and the new one; each attempt takes its time limit plus a pause that doubles.
          expect((await refused()) - refusals).toBeLessThan(5 * 8);
          await end();
        });
        await eventually('all to be in', () => actors.every(({ client }) => client.state === 'online'), 40_000);
        const [alice, bob] = actors as [TestUser, TestUser];
        alice.talk([scenario.pair(alice, bob)]);
        await scenario.more(5);
        await (await getsIn(newcomer)).drop();
      });
    },
  );

  const refused = async (): Promise<number> => {
    const sums = cluster.system
      .instances('gateway')
      .map((gateway) => cluster.metric(gateway, 'hz_gateway_logins_total', 'unavailable'));
    return (await Promise.all(sums)).reduce((sum, one) => sum + one, 0);
  };
});
