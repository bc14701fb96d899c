import { setTimeout as delay } from 'node:timers/promises';
import { type TcpProxy, eventually } from '@huizhi/constellation';
import { subjects } from '@huizhi/protocol';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { connect } from '@nats-io/transport-node';
import type { Actor } from './support/actor.js';
import { Cast } from './support/cast.js';
import { Device } from './support/device.js';
import { World } from './support/world.js';

/**
 * 17, in full: the bus or a service away for so long that everything that can expire has expired several times over (time-outs
 * are short here, so that an "hour" is seconds), parts of the system cut off from the rest, consumers too slow for the bus.
 */

jest.setTimeout(120_000);

/** Longer than each time-out below by a multiple, and than three leases. */
const HOUR_MS = 5_000;
const LOGIN_BUDGET_MS = 1_000;

let world: World;
beforeAll(async () => {
  world = await World.start({
    instances: { gateway: 2, message: 2, offline: 2 },
    throughProxy: ['gateway.nats', 'message.nats', 'offline.nats', 'message.postgres', 'offline.postgres'],
    // A consumer that does not read is cut after half a second.
    natsSettings: ['write_deadline: "500ms"', 'max_pending: 4194304'],
    env: {
      gateway: {
        LOGIN_ATTEMPTS: '1000',
        LOGIN_BUDGET: `${LOGIN_BUDGET_MS}ms`,
        FRAMES_PER_SECOND: '10000',
        SEND_TIMEOUT: '1s',
        RESEND_AFTER: '200ms',
        RESEND_AT_MOST: '500ms',
        FENCE: '1s',
        REDELIVER_AFTER: '500ms',
        REDELIVER_AT_MOST: '1s',
        RECEIPT_OVERDUE: '2s',
        CURSOR_REPEAT: '200ms',
        FETCH_TIMEOUT: '500ms',
        RECONCILE: '1s',
        STALE_AFTER: '2s',
        HEARTBEAT: '1s',
        HEARTBEAT_LEAST: '2s',
      },
      message: { LEASE: '1s' },
      offline: { LEASE: '1s' },
    },
  });
}, 120_000);
afterAll(() => world?.stop(), 60_000);
afterEach(async () => {
  await Promise.all(kinds.flatMap((kind) => proxies(kind).map((proxy) => proxy.heal())));
  await world.mended();
}, 60_000);

const kinds = ['gateway', 'message', 'offline'] as const;
const proxies = (kind: (typeof kinds)[number]): TcpProxy[] => [0, 1].map((i) => world.system.proxy(`${kind}.nats`, i));

/** Two pairs and a group; everybody stays with a gateway of its own. */
async function crowd(cast: Cast): Promise<Actor[]> {
  const actors = await Promise.all(
    [0, 1, 0, 1].map((gateway) => cast.actor(world.name('out'), 'phone', { gateways: [gateway] })),
  );
  const [alice, bob, carol, dave] = actors as [Actor, Actor, Actor, Actor];
  const group = await cast.group(alice, [bob, carol, dave]);
  alice.talk([group, cast.pair(alice, carol)], 1);
  bob.talk([group, cast.pair(bob, dave)], 1);
  await cast.more(10);
  return actors;
}

/** Whether the first instance says that it is ready. */
async function ready(kind: (typeof kinds)[number]): Promise<boolean> {
  return (await fetch(`${world.system.service(kind).baseUrl}/readyz`)).ok;
}

/** A login has a second here, and a busy machine may need more: once more, then. */
const getsIn = (user: string): Promise<Device> =>
  eventually(`${user} to get in`, () => world.device(user).catch(() => undefined));

async function arrives(actor: Actor, count: number): Promise<void> {
  const goal = actor.received.size + count;
  await eventually(`${actor.where} to get more`, () => actor.received.size >= goal);
}

async function further(actor: Actor, count: number): Promise<void> {
  const goal = actor.receipted + count;
  await eventually(`${actor.where} to go on`, () => actor.receipted >= goal);
}

describe('17. one instance is cut off from the bus, and from nothing else', () => {
  const ways = kinds.flatMap((kind) => (['cut', 'blackhole'] as const).map((how) => [kind, how] as const));

  test.each(ways)('a %s (%s): the others go on, and after it everything is delivered', async (kind, how) => {
    await Cast.play(world, `${kind} ${how}`, async (cast) => {
      const [alice, bob, carol, dave] = (await crowd(cast)) as [Actor, Actor, Actor, Actor];
      const proxy = proxies(kind)[0]!;
      await cast.fault(`${kind} ${how}`, async () => {
        await proxy[how]();
        // Bob and Dave are at the second gateway, the lanes of all have an owner again after their lease.
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
      await cast.more(20);
    });
    await world.noLag();
  });
});

describe('17. everything is away for an hour', () => {
  test('the bus: sends are refused for the time being, nobody is told "failed", and after it all is delivered', async () => {
    await Cast.play(world, 'bus for an hour', async (cast) => {
      await crowd(cast);
      const raw = await getsIn(world.name('raw'));
      await cast.fault('NATS is away', async () => {
        await world.system.nats!.kill9();
        raw.text(cast.actors[0]!.user, 'meanwhile');
        // An answer, or a connection that is closed because its gateway is stale: in bounded time either way.
        const answer = await raw.answer('meanwhile').catch(() => raw.closed);
        expect(answer).toMatchObject(answer?.messageType === 'close' ? { reconnect: true } : { temporary: true });
        await delay(HOUR_MS);
        await world.system.nats!.restart();
      });
      await cast.more(20);
    });
    await world.noLag();
  });

  test('the offline services, while thousands of messages are sent: each is receipted, and after it all are delivered', async () => {
    await Cast.play(world, 'offline for an hour', async (cast) => {
      const [alice, bob] = await crowd(cast);
      const services = world.system.instances('offline');
      await cast.fault('offline is away', async () => {
        await Promise.all(services.map((service) => service.kill9()));
        const began = performance.now();
        const target = cast.pair(alice!, bob!);
        // As many at a time as the SDK keeps.
        for (let wave = 0; wave < 3; wave++) {
          await Promise.all(Array.from({ length: 500 }, (_, n) => alice!.say(target, `volume ${wave} ${n}`)));
        }
        await delay(Math.max(0, HOUR_MS - (performance.now() - began)));
        await Promise.all(services.map((service) => service.restart()));
      });
      await cast.more(20);
    });
    await world.noLag();
  });

  test('the message services: nothing is lost of what they had taken, and after it all goes on', async () => {
    await Cast.play(world, 'message for an hour', async (cast) => {
      await crowd(cast);
      const services = world.system.instances('message');
      await cast.fault('message is away', async () => {
        await Promise.all(services.map((service) => service.kill9()));
        await delay(HOUR_MS);
        await Promise.all(services.map((service) => service.restart()));
      });
      await cast.more(20);
    });
    await world.noLag();
  });
});

describe('17. a consumer too slow for the bus', () => {
  const cutOff = (): number => world.system.nats!.logs.filter((line) => /slow consumer/i.test(line)).length;

  /** More than the sockets on the way and the server's own buffer hold, of what everybody listens to. */
  async function flood(until: () => boolean): Promise<void> {
    const { host, username: user, password: pass } = new URL(world.system.natsUrl());
    const client = await connect({ servers: host, user, pass });
    const news = { owner: 'nobody', taken: false, lanes: [], released: false, padding: 'x'.repeat(400_000) };
    try {
      await eventually('the server to cut off who does not read', async () => {
        if (until()) return true;
        for (const service of ['message', 'offline'] as const)
          client.publish(subjects.lanes(service), JSON.stringify(news));
        await client.flush();
        return undefined;
      });
    } finally {
      await client.close();
    }
  }

  test.each(kinds)('a %s is cut off by the server, comes back, and has missed nothing', async (kind) => {
    await Cast.play(world, `slow ${kind}`, async (cast) => {
      await crowd(cast);
      const service = world.system.service(kind);
      const before = cutOff();
      await cast.fault('slow consumer', async () => {
        service.freeze();
        await flood(() => cutOff() > before).finally(() => service.resume());
        await service.waitReady();
      });
      await cast.more(20);
    });
    await world.noLag();
  });
});

describe('17. a login while something behind the gateway is away', () => {
  const outages: [string, () => Promise<unknown>, () => Promise<unknown>][] = [
    ['the bus', () => world.system.nats!.kill9(), () => world.system.nats!.restart()],
    ['the offline service', () => each('offline', 'kill9'), () => each('offline', 'restart')],
    ['the message service', () => each('message', 'kill9'), () => each('message', 'restart')],
    ['PostgreSQL', () => postgres('cut'), () => postgres('heal')],
  ];
  const each = (kind: (typeof kinds)[number], what: 'kill9' | 'restart'): Promise<unknown> =>
    Promise.all(world.system.instances(kind).map((service) => service[what]()));
  const postgres = (what: 'cut' | 'heal'): Promise<unknown> =>
    Promise.all(
      (['message', 'offline'] as const).flatMap((schema) =>
        [0, 1].map((i) => world.system.proxy(`${schema}.postgres`, i)[what]()),
      ),
    );

  test.each(outages)(
    '%s: refused for the time being, in bounded time; clients back off and get in after it',
    async (what, begin, end) => {
      await Cast.play(world, `login without ${what}`, async (cast) => {
        const newcomer = world.name('new');
        // The SDK's own back-off: nobody hurries in tests only.
        const timings = { reconnect: { baseMs: 500, maxMs: 30_000 } };
        const actors = await Promise.all(
          [0, 1, 0, 1].map((gateway) => cast.actor(world.name('in'), 'phone', { gateway, timings })),
        );
        for (const { client } of actors) client.networkLost();
        const refusals = await refused();
        await cast.fault(`${what} is away`, async () => {
          await begin();
          for (const { client } of actors) client.networkBack();
          const asked = performance.now();
          const device = await Device.connect(world.system.address, {
            user: newcomer,
            deviceID: 'd',
            token: await world.system.token(newcomer),
          });
          expect(await device.login()).toMatchObject({ code: 2001, name: 'unavailable' });
          expect(await device.closed).toMatchObject({ reconnect: true });
          expect(performance.now() - asked).toBeLessThan(LOGIN_BUDGET_MS + 5_000);
          await delay(2 * LOGIN_BUDGET_MS);
          // Four clients and the newcomer, each attempt takes its budget and a pause that doubles.
          expect((await refused()) - refusals).toBeLessThan(5 * 8);
          await end();
        });
        await eventually('all to be in', () => actors.every(({ client }) => client.state === 'online'), 40_000);
        const [alice, bob] = actors as [Actor, Actor];
        alice.talk([cast.pair(alice, bob)]);
        await cast.more(5);
        await (await getsIn(newcomer)).drop();
      });
    },
  );

  const refused = async (): Promise<number> => {
    const sums = world.system
      .instances('gateway')
      .map((gateway) => world.metric(gateway, 'hz_gateway_logins_total', 'unavailable'));
    return (await Promise.all(sums)).reduce((sum, one) => sum + one, 0);
  };
});
