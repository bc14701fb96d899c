import type pg from 'pg';

/** The advisory key of partition work; the first half is "hz" + 1. */
const LOCK = [0x687b, 1] as const;

interface Day {
  table: string;
  from: string;
  to: string;
  present: boolean;
}

/**
 * The days that must have a partition: today and tomorrow of the database's clock, in UTC. Reads pg_class, because
 * `to_regclass` uses the cache of the session. That cache may lack a partition that was created while this session
 * waited for the lock.
 */
export async function readDays(client: pg.ClientBase): Promise<Day[]> {
  const { rows } = await client.query<Day>(
    `select 'inbox_' || to_char(day, 'YYYYMMDD') as table, day::text as from, (day + 1)::text as to,
            exists (select from pg_class where relname = 'inbox_' || to_char(day, 'YYYYMMDD')
                       and relnamespace = 'offline'::regnamespace) as present
       from (select (now() at time zone 'utc')::date + n as day from generate_series(0, 1) as n) days`,
  );
  return rows;
}

/**
 * Call it in a transaction. Attaching takes a weaker lock than creating in place, so that reads and writes do not wait.
 */
export async function createPartitions(client: pg.ClientBase): Promise<string[]> {
  await client.query('select pg_advisory_xact_lock($1, $2)', [...LOCK]);
  const missing = (await readDays(client)).filter((day) => !day.present);
  for (const { table, from, to } of missing) {
    await client.query(`create table offline.${table} (like offline.inbox including constraints)`);
    await client.query(
      `alter table offline.inbox attach partition offline.${table} for values from ('${from}') to ('${to}')`,
    );
  }
  return missing.map((day) => day.table);
}

/** Partitions whose day is more than `retentionDays` days ago, oldest first. */
export async function readExpired(client: pg.ClientBase, retentionDays: number): Promise<string[]> {
  const { rows } = await client.query<{ table: string }>(
    `select c.relname as table from pg_inherits i join pg_class c on c.oid = i.inhrelid
      where i.inhparent = 'offline.inbox'::regclass
        and c.relname < 'inbox_' || to_char((now() at time zone 'utc')::date - $1::int, 'YYYYMMDD')
      order by 1`,
    [retentionDays],
  );
  return rows.map((row) => row.table);
}

/**
 * Call it in a transaction. Keeps the heads of the users, then drops the partition. @returns false when another
 * instance does it
 */
export async function dropPartition(client: pg.ClientBase, table: string): Promise<boolean> {
  if (!/^inbox_\d{8}$/.test(table)) throw new Error(`${table} is not a day partition`);
  const { rows } = await client.query<{ mine: boolean }>('select pg_try_advisory_xact_lock($1, $2) as mine', [...LOCK]);
  if (!rows[0]?.mine) return false;
  // From pg_class, as in readDays: another instance may have dropped the table since it was listed.
  const { rowCount } = await client.query(
    `select from pg_class where relname = $1 and relnamespace = 'offline'::regnamespace`,
    [table],
  );
  if (rowCount === 0) return false;
  await client.query(
    `insert into offline.inbox_head as h (user_id, head)
     select user_id, max(inbox_seq) from offline.${table} group by user_id
     on conflict (user_id) do update set head = greatest(h.head, excluded.head)`,
  );
  // All writers would queue behind a lock request that waits: give up after 1 s and try again in an hour.
  await client.query(`set local lock_timeout = '1s'`);
  await client.query(`drop table offline.${table}`);
  return true;
}
