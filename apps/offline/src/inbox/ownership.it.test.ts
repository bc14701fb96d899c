import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { armFailpoints, disarmFailpoints, enableFailpoints, failpointStatus } from '@huizhi/runtime';
import type { FakeGateway, FakeSession } from '../testing/fake-gateway.js';
import { LANES, Rig, until } from '../testing/rig.js';

const fired = (name: string): number => failpointStatus().find((point) => point.name === name)?.fired ?? 0;
const users = Array.from({ length: 12 }, (_, i) => `user-${i}`);

/** What no fault may change: every message once per recipient, numbered 1, 2, 3 … in the order of its conversation. */
async function expectWhole(rig: Rig, texts: number): Promise<void> {
  const lengths = async (): Promise<number[]> => {
    const { rows } = await rig.admin.query<{ n: number }>(
      `select count(i.*)::int as n from unnest($1::text[]) as u (user_id) left join offline.inbox i using (user_id) group by user_id`,
      [users],
    );
    return rows.map((row) => row.n);
  };
  await until(async () => (await lengths()).every((length) => length >= texts), `${texts} entries for everybody`);
  for (const user of users) {
    const rows = await rig.inboxOf(user);
    expect(rows.map((row) => row.seq)).toEqual(Array.from({ length: texts }, (_, i) => i + 1));
    expect(rows.map((row) => row.position)).toEqual(rows.map((row) => row.position).sort((a, b) => a - b));
    expect(new Set(rows.map((row) => row.position)).size).toBe(texts);
  }
}

describe('ownership of inbox lanes', () => {
  let rig: Rig;
  let said = 0;
  /** One message to everybody; without a publisher only the log has it. */
  const say = (heard = true): void => {
    said += 1;
    for (const user of users) {
      const run = rig.message.store('sender', user, `${said}`);
      if (heard) rig.message.publish(run);
    }
  };
  beforeEach(async () => {
    said = 0;
    rig = await Rig.start();
    enableFailpoints();
  }, 30_000);
  afterEach(() => rig.stop(), 30_000);

  test('two instances share the lanes; one stops and the other goes on where it was', async () => {
    const first = await rig.instance('offline-1');
    await rig.instance('offline-2');
    await until(async () => (await rig.owners()).filter((owner) => owner === 'offline-2').length === LANES / 2);
    for (let i = 0; i < 20; i++) say();
    const stopping = first.stop();
    for (let i = 0; i < 20; i++) say();
    await stopping;
    for (let i = 0; i < 20; i++) say(i % 3 === 0);
    rig.message.announce();
    await expectWhole(rig, 60);
    expect(await rig.owners()).toEqual(Array.from({ length: LANES }, () => 'offline-2'));
  }, 60_000);

  test('an owner that loses the database is overtaken, and writes nothing when it comes back', async () => {
    const first = await rig.instanceBehindProxy('offline-1');
    for (let i = 0; i < 10; i++) say();
    await rig.instance('offline-2');
    first.proxy.blackhole();
    for (let i = 0; i < 10; i++) say();
    await until(
      async () => (await rig.owners()).every((owner) => owner === 'offline-2'),
      'offline-2 to own all lanes',
      30_000,
    );
    for (let i = 0; i < 10; i++) say();
    await first.proxy.heal();
    for (let i = 0; i < 10; i++) say();
    await until(async () => (await rig.owners()).includes('offline-1'), 'offline-1 to get its share back', 30_000);
    for (let i = 0; i < 10; i++) say();
    rig.message.announce();
    await expectWhole(rig, 50);
  }, 90_000);

  test('the transaction of an owner that was overtaken without knowing is refused whole', async () => {
    const { service } = await rig.instance('offline-1');
    const gateway = rig.gateway();
    const sessions = await Promise.all(users.map((user) => gateway.open(user)));
    say();
    await until(() => gateway.told.length === users.length);
    // As another instance would: without a word to the owner, which finds out by its own fence.
    await rig.admin.query(
      `update offline.lane set owner = 'other', epoch = epoch + 1, lease_until = now() + interval '1 minute'`,
    );
    say();
    for (const session of sessions) gateway.cursor(session, 1);
    await until(() => [...Array(LANES).keys()].every((lane) => !service.keeper.held(lane)));
    for (const user of users) expect(await rig.inboxOf(user)).toHaveLength(1);
    expect(gateway.told).toHaveLength(users.length);
    expect(gateway.confirmed.size).toBe(0);
    await rig.admin.query(`update offline.lane set lease_until = now() - interval '1 s'`);
    await expectWhole(rig, 2);
  }, 60_000);

  const survives = async (point: string, gateway: FakeGateway, sessions: FakeSession[]): Promise<void> => {
    const before = fired(point);
    armFailpoints(`${point}=error`);
    say();
    await until(() => fired(point) > before);
    for (const session of sessions) gateway.cursor(session, 1);
    disarmFailpoints();
    for (let i = 0; i < 3; i++) say();
    rig.message.announce();
  };

  test.each(['offline.before-commit', 'offline.after-commit', 'offline.commit-outcome-lost', 'offline.after-delivery'])(
    'a failure at %s leaves no entry out and none twice',
    async (point) => {
      await rig.instance('offline-1');
      const gateway = rig.gateway();
      const sessions = await Promise.all(users.map((user) => gateway.open(user)));
      say();
      await until(() => gateway.told.length === users.length);
      await survives(point, gateway, sessions);
      await expectWhole(rig, 5);
      // Receipts are said again until confirmed; sessions are attached again to the owner.
      await until(() => {
        gateway.attach(...sessions);
        for (const session of sessions) gateway.cursor(session, 5);
        return sessions.every(({ session }) => gateway.confirmed.get(session) === 5);
      });
      expect(gateway.kicked).toEqual([]);
      for (const user of users) expect(await rig.cursorOf(user)).toBe(5);
    },
    60_000,
  );

  test('the answer to what an owner commits eaten on the way: the truth is read again', async () => {
    const instance = await rig.instanceBehindProxy('offline-1');
    const gateway = rig.gateway();
    const sessions = await Promise.all(users.map((user) => gateway.open(user)));
    for (let round = 0; round < 3; round++) {
      // The column in which the statement that is the transaction answers. A COMMIT is only said when lanes are kept.
      const eaten = instance.proxy.dropResponsesOnce('fenced\0');
      say();
      await eaten;
    }
    rig.message.announce();
    await expectWhole(rig, 3);
    const fetched = () => Promise.all(sessions.map((session) => gateway.fetch(session)));
    const answered = (): Promise<boolean> =>
      fetched().then(
        () => true,
        () => false,
      );
    await until(answered, 'the owner to have taken its lanes again');
    const again = await fetched();
    for (const page of again) expect(page.head).toMatchObject({ upTo: 3, head: 3 });
  }, 60_000);

  test('PostgreSQL connections killed over and over under traffic', async () => {
    await rig.instance('offline-1');
    for (let round = 0; round < 10; round++) {
      for (let i = 0; i < 5; i++) say(i !== 2);
      await rig.admin.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
          where application_name like 'offline-1%' and datname = current_database()`,
      );
    }
    rig.message.announce();
    await expectWhole(rig, 50);
  }, 60_000);
});
