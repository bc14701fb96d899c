import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { MemoryStore, SendRefusedError, type Store } from '@huizhi/client';
import { type Rule } from '@huizhi/history-checker';
import { eventually } from '@huizhi/dev-env';
import type { TestUser } from './support/test-user.js';
import { Scenario } from './support/scenario.js';
import { TestCluster } from './support/test-cluster.js';

/**
 * Runs the history checker on the real system: without a defect, and with each seeded bug (`bug.` failpoints, which
 * exist in tests only).
 */

jest.setTimeout(60_000);

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.start({
    env: {
      gateway: { HZ_LOGIN_ATTEMPTS: '1000', HZ_SEND_TIMEOUT: '3s' },
      message: { HZ_LEASE: '1s' },
      offline: { HZ_LEASE: '1s' },
    },
  });
}, 120_000);
afterAll(() => cluster?.stop(), 60_000);
afterEach(async () => {
  for (const name of ['gateway', 'message', 'offline'] as const) {
    const service = cluster.system.service(name);
    if (service.running) await fetch(`${service.baseUrl}/failpoints`, { method: 'DELETE' });
    else await service.restart();
  }
}, 30_000);

/** How long to wait for deliveries. A seeded loss never arrives, so the time is short. */
const PATIENCE_MS = 3_000;

async function rulesBroken(what: string, scene: (scenario: Scenario) => Promise<void>): Promise<Rule[]> {
  const { violations } = await Scenario.judge(cluster, what, scene, PATIENCE_MS);
  return [...new Set(violations.map(({ rule }) => rule))];
}

async function pair(scenario: Scenario): Promise<[TestUser, TestUser, { user: string }]> {
  const [alice, bob] = (await scenario.users('u', 2)) as [TestUser, TestUser];
  return [alice, bob, scenario.pair(alice, bob) as { user: string }];
}

/** A store so slow that a connection can end before its deliveries are receipted. */
class SlowStore implements Store {
  private readonly kept = new MemoryStore();

  async saveMessages(
    deliveries: Parameters<Store['saveMessages']>[0],
  ): Promise<ReturnType<MemoryStore['saveMessages']>> {
    await delay(300);
    return this.kept.saveMessages(deliveries);
  }

  saveCursor(inboxSeq: number): void {
    this.kept.saveCursor(inboxSeq);
  }

  generation(): string | undefined {
    return this.kept.generation();
  }

  reset(generation: string): void {
    this.kept.reset(generation);
  }
}

test('the history checker reports no violation for a system without seeded bugs', async () => {
  await Scenario.play(cluster, 'good', async (scenario) => {
    const actors = await scenario.users('u', 4);
    const [alice, bob, carol, dave] = actors as [TestUser, TestUser, TestUser, TestUser];
    const group = await scenario.group(alice, [bob, carol]);
    bob.talk([group, scenario.pair(bob, dave)]);
    alice.talk([group, scenario.pair(alice, bob)]);
    await scenario.more(60);
  });
});

test('Scenario.play() rejects when a message is refused as invalid', async () => {
  const scene = Scenario.play(cluster, 'refused', async (scenario) => {
    const [alice] = (await scenario.users('u', 2)) as [TestUser, TestUser];
    alice.say({ user: 'nobody' }, 'to whom').catch(() => undefined);
  });
  await expect(scene).rejects.toThrow(SendRefusedError);
});

describe('the history checker detects', () => {
  test('a receipt before the commit', async () => {
    const rules = await rulesBroken('ack before commit', async (scenario) => {
      const [alice, , bob] = await pair(scenario);
      await alice.say(bob, 'first');
      const service = cluster.system.message();
      await cluster.arm(service, 'bug.ack-before-commit=error,message.before-commit=hang');
      await alice.say(bob, 'receipted and lost');
      await service.kill9();
      await service.restart();
      await alice.say(bob, 'takes its place');
    });
    expect(rules).toContain('I1');
  });

  test('a reader that skips missed events', async () => {
    const rules = await rulesBroken('cursor reader', async (scenario) => {
      const [alice, other, bob] = await pair(scenario);
      const came: unknown[] = [];
      other.client.on('message', ({ content }) => came.push(content.text));
      const arrives = (text: string): Promise<unknown> => eventually(`"${text}" to arrive`, () => came.includes(text));
      await alice.say(bob, 'first');
      await arrives('first');
      // The lane owner also announces its head periodically. An announcement between the two messages makes the reader
      // read the log, which hides the bug; then try again.
      for (let round = 1; round <= 10; round++) {
        await cluster.arm(cluster.system.offline(), 'bug.cursor-reader=error,offline.before-events=error@1');
        const [lost, behind] = [`its event is lost ${round}`, `comes right behind ${round}`];
        for (const text of [lost, behind]) await alice.say(bob, text);
        await arrives(behind);
        if (!came.includes(lost)) break;
      }
    });
    expect(rules).toEqual(['I1']);
  });

  test('a delivery that counts as receipted', async () => {
    const rules = await rulesBroken('delivered at push', async (scenario) => {
      const alice = await scenario.testUser(cluster.name('u'));
      const bob = await scenario.testUser(cluster.name('u'), 'phone', { store: new SlowStore() });
      const target = scenario.pair(alice, bob);
      await cluster.arm(cluster.system.gateway(), 'bug.delivered-at-push=error');
      for (let n = 0; n < 5; n++) await alice.say(target, `${n}`);
      await eventually('deliveries', () => bob.received.size > 0);
      // Before the first receipt: the cursor of the next login is then beyond the received entries.
      bob.client.networkLost();
      await delay(100);
      bob.client.networkBack();
    });
    expect(rules).toContain('I6');
  });

  test('a cursor that counts for all devices of a user', async () => {
    const rules = await rulesBroken('user-wide cursor', async (scenario) => {
      const [alice, phone, bob] = await pair(scenario);
      const other = await scenario.testUser(bob.user, 'tablet');
      await alice.say(bob, 'both have it');
      await eventually('both to have it', () => other.received.size === 1);
      other.client.networkLost();
      await alice.say(bob, 'only the phone has it');
      await cluster.arm(cluster.system.offline(), 'bug.user-wide-cursor=error');
      await eventually('the phone to have it', () => phone.confirmed >= 2);
      other.client.networkBack();
      await eventually('the tablet to be back', () => other.logins === 2);
    });
    expect(rules).toContain('I1');
  });

  test('a confirm of a cursor that is not stored', async () => {
    const rules = await rulesBroken('confirm unstored', async (scenario) => {
      const [alice, other, bob] = await pair(scenario);
      const service = cluster.system.offline();
      await cluster.arm(service, 'bug.confirm-unstored=error');
      await alice.say(bob, 'receipted, confirmed, forgotten');
      await eventually('the confirm', () => other.confirmed === 1);
      await service.kill9();
      other.client.networkLost();
      await service.restart();
      other.client.networkBack();
      await eventually('to be back', () => other.logins === 2);
    });
    expect(rules).toContain('I6');
  });
});
