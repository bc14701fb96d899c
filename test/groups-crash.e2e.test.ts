import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import type { Service } from '@huizhi/dev-env';
import { laneOf } from '@huizhi/protocol';
import { Scenario } from './support/scenario.js';
import { TestCluster } from './support/test-cluster.js';

/** Overlapping groups over many lanes and inbox lanes, while owners of both kinds are killed and frozen in turn. */

jest.setTimeout(120_000);

const MEMBERS = 40;
const GROUPS = 8;
const GROUP_SIZE = 16;
const LEASE_MS = 1_000;

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.start({
    instances: { gateway: 2, message: 2, offline: 2 },
    env: {
      gateway: {
        HZ_LOGIN_ATTEMPTS: '1000',
        HZ_SEND_TIMEOUT: '5s',
        HZ_RESEND_AFTER: '300ms',
        HZ_REDELIVER_AFTER: '2s',
        HZ_REDELIVER_MAX: '4s',
        HZ_REORDER_HOLD: '1s',
      },
      message: { HZ_LEASE: `${LEASE_MS}ms` },
      offline: { HZ_LEASE: `${LEASE_MS}ms` },
    },
  });
}, 120_000);
afterAll(() => cluster?.stop(), 60_000);

async function killed(service: Service): Promise<void> {
  await service.kill9();
  await service.restart();
}

/** Freezes the service for longer than its lease, so that others own its lanes when it resumes. */
async function frozen(service: Service): Promise<void> {
  service.freeze();
  await delay(2 * LEASE_MS);
  service.resume();
  await service.waitReady();
}

test('forty members of eight overlapping groups receive every message in order while owners crash and freeze', async () => {
  await Scenario.play(cluster, 'groups', async (scenario) => {
    const actors = await scenario.users('member', MEMBERS);
    const groups = await Promise.all(
      Array.from({ length: GROUPS }, (_, g) => {
        const members = Array.from(
          { length: GROUP_SIZE },
          (_, n) => actors[(g * 5 + n * (g % 3 === 0 ? 1 : 2)) % MEMBERS]!,
        );
        return scenario.group(members[0]!, members.slice(1));
      }),
    );
    expect(new Set(groups.map((group) => laneOf('group' in group ? group.group : '', 32))).size).toBeGreaterThan(2);
    // The creator and one more member of each group write to it.
    groups.forEach((group, g) => {
      actors[(g * 5) % MEMBERS]!.talk([group], 1, 60);
      actors[(g * 5 + 2 * (g % 3 === 0 ? 1 : 2)) % MEMBERS]!.talk([group], 1, 60);
    });
    await scenario.more(50);
    const { system } = cluster;
    const faults: [string, () => Promise<void>][] = [
      ['an owner of conversations is killed', () => killed(system.message(0))],
      ['an owner of inboxes is killed', () => killed(system.offline(0))],
      ['an owner of conversations is frozen', () => frozen(system.message(1))],
      ['an owner of inboxes is frozen', () => frozen(system.offline(1))],
      [
        'one of each is killed',
        async () => void (await Promise.all([killed(system.message(1)), killed(system.offline(1))])),
      ],
    ];
    for (const [what, fault] of faults) {
      await scenario.fault(what, fault);
      await scenario.more(50);
    }
  });
  await cluster.noLag();
});
