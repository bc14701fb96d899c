import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { type Service, eventually } from '@huizhi/dev-env';
import { Scenario } from './support/scenario.js';
import { TestCluster } from './support/test-cluster.js';

/**
 * Triggers every declared failpoint with an error and a crash under load, while a device reconnects to a growing batch
 * (scenarios 6, 13, 16, 17, 21, 22). A declared failpoint without a row fails the test.
 */

// Longer than all waits of one test, so that the failing wait is reported and the histories are saved.
jest.setTimeout(300_000);

type Owner = 'gateway' | 'message' | 'offline';

/** The actions per failpoint, in the failpoint syntax: `error` or `crash`, the hit number, the number of repeats. */
const ROWS: Record<Owner, Record<string, string[]>> = {
  gateway: {
    // An error in the handler loses the events of a bus message.
    'gateway.before-events': ['error@3x5', 'crash@3'],
    'gateway.before-delivery-write': ['error@3x5', 'crash@3'],
    'gateway.before-cursor': ['error@2x3', 'crash@2'],
  },
  message: {
    'message.before-commit': ['error@2x2', 'crash@3'],
    'message.after-commit': ['error@2x2', 'crash@3'],
    'message.after-receipts': ['error@2x2', 'crash@3'],
    'database.commit-answer-lost': ['error@2x2', 'crash@3'],
  },
  offline: {
    'offline.before-events': ['error@3x10', 'crash@3'],
    'offline.before-commit': ['error@2x2', 'crash@3'],
    'offline.after-commit': ['error@2x2', 'crash@3'],
    'offline.after-delivery': ['error@2x2', 'crash@3'],
    'offline.commit-outcome-lost': ['error@2x2', 'crash@3'],
    'database.commit-answer-lost': ['error@2x2', 'crash@3'],
  },
};

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.start({
    instances: { gateway: 2, message: 2, offline: 2 },
    env: {
      gateway: {
        HZ_LOGIN_ATTEMPTS: '1000',
        HZ_SEND_TIMEOUT: '3s',
        HZ_RESEND_AFTER: '300ms',
        HZ_RESEND_MAX: '1s',
        HZ_REDELIVER_AFTER: '1s',
        HZ_REDELIVER_MAX: '2s',
        HZ_CURSOR_REPEAT: '300ms',
        HZ_REORDER_HOLD: '1s',
      },
      message: { HZ_LEASE: '1s' },
      offline: { HZ_LEASE: '1s' },
    },
  });
}, 120_000);
afterAll(() => cluster?.stop(), 60_000);
afterEach(() => cluster.mended(), 60_000);

test('every declared failpoint except the seeded bugs has a row in this test', async () => {
  for (const owner of ['gateway', 'message', 'offline'] as const) {
    const declared = [...(await cluster.fired(owner)).keys()].filter((name) => !name.startsWith('bug.'));
    expect(declared.sort()).toEqual(Object.keys(ROWS[owner]).sort());
  }
});

describe.each(Object.entries(ROWS) as [Owner, Record<string, string[]>][])('%s', (owner, rows) => {
  const cases = Object.entries(rows).flatMap(([name, actions]) => actions.map((action) => [name, action] as const));

  test.each(cases)('no message is lost, duplicated or reordered at %s=%s', async (name, action) => {
    await Scenario.play(cluster, `${owner} ${name} ${action}`, async (scenario) => {
      const [alice, bob, carol] = await scenario.users('f', 3);
      const group = await scenario.group(alice!, [bob!, carol!]);
      alice!.talk([group, scenario.pair(alice!, carol!)]);
      bob!.talk([group, scenario.pair(bob!, alice!)]);
      await scenario.more(10);
      carol!.client.networkLost();
      await scenario.more(10);
      await scenario.fault(name, async () => {
        await Promise.all(cluster.system.instances(owner).map((service) => cluster.arm(service, `${name}=${action}`)));
        carol!.client.networkBack();
        await (action.startsWith('crash') ? dead(cluster.system.instances(owner)) : fired(owner, name, action));
      });
      await scenario.more(20);
    });
    await cluster.noLag();
  });
});

/** Waits until the failpoint has fired this often in all instances together. */
async function fired(owner: Owner, name: string, action: string): Promise<void> {
  const times = Number(/x(\d+)$/.exec(action)?.[1]);
  expect(times).toBeGreaterThan(0);
  await eventually(
    `${name} to fire ${times} times`,
    async () => ((await cluster.fired(owner)).get(name) ?? 0) >= times,
  );
  await cluster.disarm();
}

/** Waits until one instance has crashed, prevents further crashes, and restarts the crashed ones. */
async function dead(services: readonly Service[]): Promise<void> {
  const gone = await eventually('one to die', () => services.find(({ running }) => !running), 30_000);
  expect((await gone.exited).signal).toBe('SIGKILL');
  for (const service of services) {
    // An instance that does not answer is crashing, too.
    if (service.running) await cluster.disarm(service).catch(() => service.exited);
  }
  await Promise.all(services.filter(({ running }) => !running).map((service) => service.restart()));
}
