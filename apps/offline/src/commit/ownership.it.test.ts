import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { armFailpoints, disarmFailpoints, enableFailpoints, failpointStatus } from '@huizhi/runtime';
import type { FakeGateway, FakeSession } from '../testing/fake-gateway.js';
import { LANES, OfflineFixture, until } from '../testing/offline-fixture.js';

const fired = (name: string): number => failpointStatus().find((point) => point.name === name)?.fired ?? 0;
const users = Array.from({ length: 12 }, (_, i) => `user-${i}`);

/** Waits until every recipient has each message once, numbered 1, 2, 3 … in the order of its conversation. */
async function expectWhole(fixture: OfflineFixture, texts: number): Promise<void> {
  const lengths = async (): Promise<number[]> => {
    const { rows } = await fixture.admin.query<{ n: number }>(
      `select count(i.*)::int as n from unnest($1::text[]) as u (user_id) left join offline.inbox i using (user_id) group by user_id`,
      [users],
    );
    return rows.map((row) => row.n);
  };
  await until(async () => (await lengths()).every((length) => length >= texts), `${texts} entries for each user`);
  for (const user of users) {
    const rows = await fixture.inboxOf(user);
    expect(rows.map((row) => row.seq)).toEqual(Array.from({ length: texts }, (_, i) => i + 1));
    expect(rows.map((row) => row.position)).toEqual(rows.map((row) => row.position).sort((a, b) => a - b));
    expect(new Set(rows.map((row) => row.position)).size).toBe(texts);
  }
}

describe('ownership of inbox lanes', () => {
  let fixture: OfflineFixture;
  let said = 0;
  /** Stores one message for each user; with `isPublished` false it is only in the log. */
  const say = (isPublished = true): void => {
    said += 1;
    for (const user of users) {
      const run = fixture.message.store('sender', user, `${said}`);
      if (isPublished) fixture.message.publish(run);
    }
  };
  beforeEach(async () => {
    said = 0;
    fixture = await OfflineFixture.start();
    enableFailpoints();
  }, 30_000);
  afterEach(() => fixture.stop(), 30_000);

  test('two instances share the lanes; when one stops the other continues from its positions', async () => {
    const first = await fixture.instance('offline-1');
    await fixture.instance('offline-2');
    await until(async () => (await fixture.owners()).filter((owner) => owner === 'offline-2').length === LANES / 2);
    for (let i = 0; i < 20; i++) say();
    const stopping = first.stop();
    for (let i = 0; i < 20; i++) say();
    await stopping;
    for (let i = 0; i < 20; i++) say(i % 3 === 0);
    fixture.message.announce();
    await expectWhole(fixture, 60);
    expect(await fixture.owners()).toEqual(Array.from({ length: LANES }, () => 'offline-2'));
  }, 60_000);

  test('an owner that loses the database is replaced, and writes nothing when it is connected again', async () => {
    const first = await fixture.instanceBehindProxy('offline-1');
    for (let i = 0; i < 10; i++) say();
    await fixture.instance('offline-2');
    first.proxy.blackhole();
    for (let i = 0; i < 10; i++) say();
    await until(
      async () => (await fixture.owners()).every((owner) => owner === 'offline-2'),
      'offline-2 to own all lanes',
      30_000,
    );
    for (let i = 0; i < 10; i++) say();
    await first.proxy.heal();
    for (let i = 0; i < 10; i++) say();
    await until(async () => (await fixture.owners()).includes('offline-1'), 'offline-1 to get its share back', 30_000);
    for (let i = 0; i < 10; i++) say();
    fixture.message.announce();
    await expectWhole(fixture, 50);
  }, 90_000);

  test('the transaction of an owner that lost its lanes without knowing is refused as a whole', async () => {
    const { service } = await fixture.instance('offline-1');
    const gateway = fixture.gateway();
    const sessions = await Promise.all(users.map((user) => gateway.open(user)));
    say();
    await until(() => gateway.told.length === users.length);
    // Takes the lanes like another instance; the owner only notices at its next fenced transaction.
    await fixture.admin.query(
      `update offline.lane set owner = 'other', epoch = epoch + 1, lease_until = now() + interval '1 minute'`,
    );
    say();
    for (const session of sessions) gateway.cursor(session, 1);
    await until(() => [...Array(LANES).keys()].every((lane) => !service.keeper.held(lane)));
    for (const user of users) expect(await fixture.inboxOf(user)).toHaveLength(1);
    expect(gateway.told).toHaveLength(users.length);
    expect(gateway.confirmed.size).toBe(0);
    await fixture.admin.query(`update offline.lane set lease_until = now() - interval '1 s'`);
    await expectWhole(fixture, 2);
  }, 60_000);

  const survives = async (point: string, gateway: FakeGateway, sessions: FakeSession[]): Promise<void> => {
    const before = fired(point);
    armFailpoints(`${point}=error`);
    say();
    await until(() => fired(point) > before);
    for (const session of sessions) gateway.cursor(session, 1);
    disarmFailpoints();
    for (let i = 0; i < 3; i++) say();
    fixture.message.announce();
  };

  test.each(['offline.before-commit', 'offline.after-commit', 'offline.commit-outcome-lost', 'offline.after-delivery'])(
    'no entry is missing or duplicated after a failure at %s',
    async (point) => {
      await fixture.instance('offline-1');
      const gateway = fixture.gateway();
      const sessions = await Promise.all(users.map((user) => gateway.open(user)));
      say();
      await until(() => gateway.told.length === users.length);
      await survives(point, gateway, sessions);
      await expectWhole(fixture, 5);
      // Cursors are repeated until they are confirmed; sessions are attached to the owner again.
      await until(() => {
        gateway.attach(...sessions);
        for (const session of sessions) gateway.cursor(session, 5);
        return sessions.every(({ session }) => gateway.confirmed.get(session) === 5);
      });
      expect(gateway.kicked).toEqual([]);
      for (const user of users) expect(await fixture.cursorOf(user)).toBe(5);
    },
    60_000,
  );

  test('an owner whose commit response is lost takes its lanes again and reads what is stored', async () => {
    const instance = await fixture.instanceBehindProxy('offline-1');
    const gateway = fixture.gateway();
    const sessions = await Promise.all(users.map((user) => gateway.open(user)));
    for (let round = 0; round < 3; round++) {
      // The column name in the response of the single-statement transaction. COMMIT is only used when lanes are kept.
      const eaten = instance.proxy.dropResponsesOnce('fenced\0');
      say();
      await eaten;
    }
    fixture.message.announce();
    await expectWhole(fixture, 3);
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

  test('no entry is missing or duplicated when PostgreSQL connections are killed repeatedly under load', async () => {
    await fixture.instance('offline-1');
    for (let round = 0; round < 10; round++) {
      for (let i = 0; i < 5; i++) say(i !== 2);
      await fixture.admin.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
          where application_name like 'offline-1%' and datname = current_database()`,
      );
    }
    fixture.message.announce();
    await expectWhole(fixture, 50);
  }, 60_000);
});
