import { eventually, PgBouncer } from '@huizhi/dev-env';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { TestCluster } from './support/test-cluster.js';

/** The services behind a connection pooler. */

jest.setTimeout(120_000);

const SERVICES = ['message', 'offline'] as const;

let cluster: TestCluster;
let poolers: Record<'session' | 'transaction', PgBouncer>;
beforeAll(async () => {
  cluster = await TestCluster.start();
  const urls = SERVICES.map((service) => cluster.system.databaseUrl(service));
  const [session, transaction] = await Promise.all(
    (['session', 'transaction'] as const).map((poolMode) =>
      PgBouncer.start({
        urls,
        poolMode,
        settings: ['ignore_startup_parameters = options,statement_timeout,extra_float_digits'],
      }),
    ),
  );
  poolers = { session: session!, transaction: transaction! };
}, 120_000);
afterAll(async () => {
  await cluster?.stop();
  await Promise.all(Object.values(poolers ?? {}).map((pooler) => pooler.stop()));
}, 60_000);

const through = (mode: keyof typeof poolers, service: (typeof SERVICES)[number]): Record<string, string> => ({
  [`HZ_${service.toUpperCase()}_DATABASE_URL`]: poolers[mode].through(cluster.system.databaseUrl(service)),
});

describe.each(SERVICES)('the %s service', (service) => {
  test('refuses to start behind a pooler in transaction mode and names the variable to change', async () => {
    await expect(cluster.system.add(service, through('transaction', service))).rejects.toThrow(
      new RegExp(
        `HZ_${service.toUpperCase()}_DATABASE_URL: a connection pooler .* connect directly or use session mode`,
      ),
    );
  });
});

test('services work behind a pooler in session mode, and become unready when it hangs', async () => {
  for (const service of SERVICES) {
    const [direct] = cluster.system.instances(service);
    await cluster.system.add(service, through('session', service));
    await direct!.stop();
  }
  const [alice, bob] = [await cluster.device(cluster.name('a')), await cluster.device(cluster.name('b'))];
  const receipts = [];
  for (let n = 0; n < 5; n++) {
    alice.text(bob.options.user, `m${n}`);
    receipts.push(await alice.answer(`m${n}`));
  }
  await bob.sawMessages(5);
  await cluster.nothingLost(alice, bob, receipts);

  poolers.session.freeze();
  for (const service of SERVICES) {
    const pooled = cluster.system.instances(service).find(({ running }) => running);
    await eventually(`${service} to be unready`, async () => !(await fetch(`${pooled!.baseUrl}/readyz`)).ok);
  }
  poolers.session.resume();
  for (const service of SERVICES)
    await cluster.system
      .instances(service)
      .find(({ running }) => running)!
      .waitReady();
});
