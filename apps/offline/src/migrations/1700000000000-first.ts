import { createLaneTables } from '@huizhi/database';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Lanes, inboxes in day partitions, devices with their epochs and cursors. */
export class First1700000000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const statement of [...createLaneTables('offline'), ...tables]) await runner.query(statement);
  }

  async down(): Promise<void> {
    throw new Error('there is nothing before the first migration');
  }
}

// Collation "C": ids are compared by bytes, quickly, and a new version of the system's locales cannot break their indexes.
const tables = [
  // A restore must change it: clients that see another generation start anew.
  `create table offline.meta (generation text not null)`,
  `insert into offline.meta (generation) values (gen_random_uuid()::text)`,

  // applied[message lane + 1]: the position up to which this inbox lane's users have everything. Written with the rows it vouches for.
  `create table offline.inbox_lane (
     lane int primary key,
     applied bigint[] not null
   ) with (fillfactor = 10)`,

  // lane, position: the event in the message service's log. skip_device: the device that sent it; for it the entry is void.
  `create table offline.inbox (
     user_id text collate "C" not null,
     inbox_seq bigint not null,
     lane smallint not null,
     position bigint not null,
     skip_device text collate "C",
     day date not null,
     primary key (user_id, inbox_seq, day)
   ) partition by range (day)`,
  // What dropped partitions knew of their users' heads.
  `create table offline.inbox_head (user_id text collate "C" primary key, head bigint not null)`,

  // fillfactor: cursors move all the time; with room in the page the row stays there (HOT).
  `create table offline.device (
     user_id text collate "C" not null,
     device_id text collate "C" not null,
     epoch bigint not null,
     cursor bigint not null,
     device_type text not null,
     version int not null,
     created_at timestamptz not null default now(),
     last_seen timestamptz not null default now(),
     primary key (user_id, device_id)
   ) with (fillfactor = 50)`,
];
