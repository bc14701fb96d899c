import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { DedicatedConnection } from '@huizhi/database';
import pg from 'pg';
import { MAX_RETENTION_DAYS } from '../config.js';
import { OfflineFixture, until } from '../testing/offline-fixture.js';
import { InboxLane } from './inbox-lane.js';
import { MAX_USERS_PER_QUERY, loadUsers } from './load-users.js';

describe('users that are not in memory', () => {
  let fixture: OfflineFixture;
  beforeEach(async () => {
    fixture = await OfflineFixture.start();
  }, 30_000);
  afterEach(async () => {
    jest.restoreAllMocks();
    await fixture.stop();
  }, 30_000);

  const names = (count: number): string[] => Array.from({ length: count }, (_, n) => `user-${n}`);

  test('are read in queries of bounded size when all of them receive one event, and get it', async () => {
    const query = jest.spyOn(pg.Client.prototype, 'query');
    await fixture.instance('offline-1');
    const members = names(2_500);
    fixture.message.publish(fixture.message.storeInGroup('g_crowd', 'sender', 'hello', members));
    const entries = async (): Promise<number> => (await fixture.admin.query('select from offline.inbox')).rowCount ?? 0;
    await until(async () => (await entries()) === members.length, 'an entry for each member');
    const read = query.mock.calls.flatMap(([first]) => {
      const { name, values } = first as unknown as pg.QueryConfig;
      return name === 'read-heads' ? [(values?.[0] as string[]).length] : [];
    });
    expect(read.reduce((sum, count) => sum + count, 0)).toBe(members.length);
    expect(Math.max(...read)).toBeLessThanOrEqual(MAX_USERS_PER_QUERY);
  }, 60_000);

  test('are read within the statement timeout when the maximum number of days is kept', async () => {
    await fixture.admin.query(`do $$ begin for n in 1..${MAX_RETENTION_DAYS} loop
      execute format('create table offline.d%s partition of offline.inbox for values from (%L) to (%L)',
                     n, current_date - n - 1, current_date - n);
      execute format('insert into offline.d%s select ''user-'' || i, %s, 0, 1, null, %L from generate_series(0, 999) i',
                     n, ${MAX_RETENTION_DAYS} - n + 1, current_date - n - 1);
    end loop; end $$`);
    const connection = new DedicatedConnection({ url: fixture.url, schema: 'offline', applicationName: 'test' });
    const lane = new InboxLane(0, 1, [0]);
    try {
      await loadUsers(connection, new Map(names(5 * MAX_USERS_PER_QUERY).map((user) => [user, lane])));
    } finally {
      await connection.close();
    }
    expect([...lane.users.values()].every(({ head }) => head === MAX_RETENTION_DAYS)).toBe(true);
    expect(lane.users.size).toBe(5 * MAX_USERS_PER_QUERY);
  }, 120_000);
});
