import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { LaneCountError } from '@huizhi/database';
import pg from 'pg';
import { prepareDatabase } from '../migrations/prepare.js';
import { dropPartition } from '../sql/partitions.js';
import { LANES, HZ_MESSAGE_LANES, OfflineFixture, until, type Instance } from '../testing/offline-fixture.js';

describe('the day partitions', () => {
  let fixture: OfflineFixture;
  let instance: Instance;
  beforeAll(async () => {
    fixture = await OfflineFixture.start();
    instance = await fixture.instance('offline-1', { retentionDays: 7 });
  }, 30_000);
  afterAll(() => fixture.stop(), 30_000);

  const partitions = async (): Promise<string[]> => {
    const { rows } = await fixture.admin.query<{ name: string }>(
      `select inhrelid::regclass::text as name from pg_inherits where inhparent = 'offline.inbox'::regclass order by 1`,
    );
    return rows.map((row) => row.name.replace('offline.', ''));
  };
  const day = async (offset: number): Promise<string> => {
    const { rows } = await fixture.admin.query<{ day: string }>(
      `select to_char((now() at time zone 'utc')::date + $1::int, 'YYYYMMDD') as day`,
      [offset],
    );
    return rows[0]?.day ?? '';
  };
  const age = async (days: number): Promise<void> => {
    const [table, from, to] = [await day(-days), await day(-days), await day(1 - days)];
    await fixture.admin.query(
      `create table offline.inbox_${table} partition of offline.inbox for values from ('${from}') to ('${to}')`,
    );
    await fixture.admin.query(
      `with old as (delete from offline.inbox where day > $1::date returning *)
       insert into offline.inbox select user_id, inbox_seq, lane, position, skip_device, $1::date from old`,
      [from],
    );
  };

  test('exist for today and tomorrow; two instances may create them at once', async () => {
    expect(await partitions()).toEqual([`inbox_${await day(0)}`, `inbox_${await day(1)}`]);
    const tomorrow = `inbox_${await day(1)}`;
    await fixture.admin.query(`drop table offline.${tomorrow}`);
    const other = await fixture.instance('offline-2');
    await Promise.all([instance.service.partitions.ensure(), other.service.partitions.ensure()]);
    expect(await partitions()).toContain(tomorrow);
    await other.stop();
  });

  test('are found by an instance that waited while another created them', async () => {
    const tomorrow = `inbox_${await day(1)}`;
    await fixture.admin.query(`drop table offline.${tomorrow}`);
    const other = await fixture.instance('offline-4');
    // Before the drop: an instance that has just started may be creating partitions itself.
    await fixture.admin.query('select pg_advisory_lock($1, 1)', [0x687b]);
    let both: Promise<unknown>;
    try {
      await fixture.admin.query(`drop table offline.${tomorrow}`);
      both = Promise.all([instance.service.partitions.ensure(), other.service.partitions.ensure()]);
      // Awaited below; until then a rejection would be unhandled.
      both.catch(() => undefined);
      await until(async () => {
        const { rows } = await fixture.admin.query(
          `select from pg_locks l join pg_database d on d.oid = l.database
            where datname = current_database() and locktype = 'advisory' and not granted`,
        );
        return rows.length === 2;
      });
    } finally {
      await fixture.admin.query('select pg_advisory_unlock($1, 1)', [0x687b]);
    }
    await both;
    expect(await partitions()).toContain(tomorrow);
    await other.stop();
  });

  test('delay a write and lose nothing when one is missing', async () => {
    await fixture.admin.query(`drop table offline.inbox_${await day(0)}`);
    fixture.message.say('ann', 'bob', 'hello');
    await until(async () => (await fixture.inboxOf('bob')).length === 1);
  });

  test('are dropped beyond the retention; inbox heads continue, whether in memory or not', async () => {
    for (let i = 0; i < 3; i++) fixture.message.say('ann', 'cat', `${i}`);
    await until(async () => (await fixture.inboxOf('cat')).length === 3);
    await age(8);
    expect(await instance.service.partitions.dropExpired()).toEqual([`inbox_${await day(-8)}`]);
    expect(await fixture.inboxOf('cat')).toEqual([]);
    await instance.stop();
    instance = await fixture.instance('offline-3', { retentionDays: 7 });
    const gateway = fixture.gateway();
    const cat = await gateway.open('cat');
    expect(cat).toMatchObject({ cursor: 0, head: 3 });
    expect((await gateway.fetch(cat)).head).toEqual({ entries: [], upTo: 3, head: 3 });
    fixture.message.say('ann', 'cat', 'later');
    await until(() => gateway.told.length === 1);
    expect(gateway.seqsOf(cat.session)).toEqual([4]);
    expect((await gateway.fetch(cat)).head).toEqual({ entries: [[4, 0]], upTo: 4, head: 4 });
  });

  test('may be dropped by another instance after they were listed', async () => {
    fixture.message.say('ann', 'eve', 'hello');
    await until(async () => (await fixture.inboxOf('eve')).length === 1);
    await age(9);
    const table = `inbox_${await day(-9)}`;
    const client = new pg.Client({ connectionString: fixture.url });
    await client.connect();
    try {
      await client.query('begin');
      // This session has cached all names, and none of its next statements would invalidate that cache by itself.
      await dropPartition(client, 'inbox_20000101');
      await client.query('select to_regclass($1) is not null as there', [`offline.${table}`]);
      await fixture.admin.query(`drop table offline.${table}`);
      expect(await dropPartition(client, table)).toBe(false);
      await client.query('commit');
    } finally {
      await client.end();
    }
  });

  test('are kept within the retention', async () => {
    fixture.message.say('ann', 'dot', 'hello');
    await until(async () => (await fixture.inboxOf('dot')).length === 1);
    await age(7);
    expect(await instance.service.partitions.dropExpired()).toEqual([]);
    expect(await fixture.inboxOf('dot')).toHaveLength(1);
  });

  test('are not changed when migrations run again; other lane counts are refused', async () => {
    const about = { url: fixture.url, applicationName: 'test', lanes: LANES, messageLanes: HZ_MESSAGE_LANES };
    expect(await prepareDatabase(about)).toEqual([]);
    await expect(prepareDatabase({ ...about, lanes: LANES + 1 })).rejects.toThrow(LaneCountError);
    await expect(prepareDatabase({ ...about, messageLanes: HZ_MESSAGE_LANES * 2 })).rejects.toThrow(LaneCountError);
  });
});
