import { type Service, eventually } from '@huizhi/dev-env';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { Device } from './support/device.js';
import { TestCluster } from './support/test-cluster.js';

/**
 * An instance that is not ready handles no control-plane requests, and an outage writes a bounded number of log lines.
 */

jest.setTimeout(120_000);

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.start({
    instances: { gateway: 1, message: 2, offline: 1 },
    throughProxy: ['message.postgres'],
    env: {
      gateway: { HZ_LOGIN_ATTEMPTS: '1000', HZ_LOGIN_BUDGET: '2s', HZ_CONNECTS_PER_SECOND: '10000' },
      message: { HZ_LEASE: '1s' },
    },
  });
}, 120_000);
afterAll(() => cluster?.stop(), 60_000);

/** Logs in `count` new users, `atOnce` at a time. Resolves with the login receipts. */
async function logins(count: number, atOnce = 10): Promise<Record<string, unknown>[]> {
  const receipts: Record<string, unknown>[] = [];
  const names = Array.from({ length: count }, () => cluster.name('login'));
  const work = async (): Promise<void> => {
    for (let user = names.pop(); user !== undefined; user = names.pop()) {
      const token = await cluster.system.token(user);
      const device = await Device.connect(cluster.system.address, { user, deviceID: 'phone', token });
      receipts.push(await device.login());
      await device.drop();
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return receipts;
}

/** The number of requests that the instance has started. */
async function requests(service: Service): Promise<number> {
  const metric = (label?: string): Promise<number> => cluster.metric(service, 'hz_control_requests_total', label);
  return (await metric()) - (await metric('outcome="unready"'));
}
const isReady = async (service: Service): Promise<boolean> => (await fetch(`${service.baseUrl}/readyz`)).ok;

interface Line {
  level: string;
  event: string;
  context?: string;
}
const linesOf = (service: Service): Line[] =>
  service.logs.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Line);

/** The number of log lines per warning and error after the first `skip` lines. */
function failures(service: Service, skip: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { level, event, context = '' } of linesOf(service).slice(skip)) {
    if (level === 'warn' || level === 'error')
      counts.set(`${event} ${context}`, (counts.get(`${event} ${context}`) ?? 0) + 1);
  }
  return counts;
}

describe('a message instance without its database, next to a healthy one,', () => {
  test('handles no control-plane request until the database returns', async () => {
    const [first, second] = [cluster.system.message(0), cluster.system.message(1)];
    await logins(4);
    await cluster.system.proxy('message.postgres', 0).cut();
    await eventually('the first instance to be unready', async () => !(await isReady(first)));
    const [before, others] = [await requests(first), await requests(second)];
    for (const receipt of await logins(60)) expect(receipt).toMatchObject({ messageType: 'loginReceipt', code: 0 });
    expect(await requests(first)).toBe(before);
    expect(await requests(second)).toBeGreaterThanOrEqual(others + 60);

    await cluster.system.proxy('message.postgres', 0).heal();
    await first.waitReady();
    await eventually('the first instance to take requests again', async () => {
      await logins(4);
      return (await requests(first)) > before;
    });
  });

  test('handles no control-plane request when it starts without its database', async () => {
    const first = cluster.system.message(0);
    await cluster.system.proxy('message.postgres', 0).cut();
    await first.kill9();
    await first.launch();
    await eventually('the first instance to say that it is not ready', async () => !(await isReady(first)));
    for (const receipt of await logins(40)) expect(receipt).toMatchObject({ code: 0 });
    expect(first.logs.filter((line) => line.includes('EntityMetadataNotFoundError'))).toEqual([]);
    expect(await requests(first)).toBe(0);
    await cluster.system.proxy('message.postgres', 0).heal();
    await first.waitReady();
  });
});

test('200 logins without a database are refused as unavailable and write a bounded number of log lines', async () => {
  const services = cluster.services();
  const proxies = [0, 1].map((i) => cluster.system.proxy('message.postgres', i));
  const skips = services.map((service) => linesOf(service).length);
  const started = performance.now();
  await Promise.all(proxies.map((proxy) => proxy.cut()));
  for (const receipt of await logins(200, 50)) expect(receipt).toMatchObject({ name: 'unavailable' });
  const seconds = (performance.now() - started) / 1_000;
  services.forEach((service, i) => {
    for (const [event, count] of failures(service, skips[i]!)) {
      expect({ event, isBounded: count <= 3 + seconds / 10, count }).toMatchObject({ isBounded: true });
    }
  });
  await Promise.all(proxies.map((proxy) => proxy.heal()));
  await cluster.mended();
  await eventually('logins to succeed', async () => (await logins(1))[0]?.code === 0);
});
