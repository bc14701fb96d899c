import { createLaneTables } from '@huizhi/database';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Lanes, inboxes in day partitions, devices with their epochs and cursors. */
export class First1700000000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const statement of [...createLaneTables('offline'), ...tables]) await runner.query(statement);
  }

  async down(): Promise<void> {
    throw new Error('the first migration cannot be reverted');
  }
}

// Collation "C" compares ids by bytes: it is fast, and an update of the system's locales cannot break indexes.
const tables = [
  // A restore must change it: clients that see another generation start again from nothing.
  `create table offline.meta (generation text not null)`,
  `insert into offline.meta (generation) values (gen_random_uuid()::text)`,

  // applied[message lane + 1]: the position up to which events are applied for the users of this inbox lane. Written in
  // the same transaction as the inbox rows.
  `create table offline.inbox_lane (
     lane int primary key,
     applied bigint[] not null
   ) with (fillfactor = 10)`,

  // lane, position: the event in the message service's log. skip_device: the sending device, for which the entry is
  // void.
  `create table offline.inbox (
     user_id text collate "C" not null,
     inbox_seq bigint not null,
     lane smallint not null,
     position bigint not null,
     skip_device text collate "C",
     day date not null,
     primary key (user_id, inbox_seq, day)
   ) partition by range (day)`,
  // Highest inbox_seq per user of the partitions that were dropped.
  `create table offline.inbox_head (user_id text collate "C" primary key, head bigint not null)`,

  // fillfactor: cursors change often, and with free space in the page the update is HOT.
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
