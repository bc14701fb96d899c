import { createLaneTables } from '@huizhi/database';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Lanes, the lane log, groups with membership in position intervals, users. */
export class First1700000000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const statement of [...createLaneTables('message'), ...tables]) await runner.query(statement);
  }

  async down(): Promise<void> {
    throw new Error('the first migration cannot be reverted');
  }
}

// Collation "C" compares ids by bytes: it is fast, and an update of the system's locales cannot break indexes.
const tables = [
  `create table message.meta (generation text not null)`,
  `insert into message.meta (generation) values (gen_random_uuid()::text)`,

  `create table message.users (
     user_id text collate "C" primary key,
     created_at timestamptz not null default now()
   )`,

  // The lane log. `kind`: see apps/message/src/kinds. `peer`: the other user of a pair, null in a group. `body`: the
  // sender's part of a delivery, JSON text.
  `create table message.event (
     lane smallint not null,
     position bigint not null,
     conversation_id text collate "C" not null,
     seq bigint not null,
     server_time bigint not null,
     user_id text collate "C" not null,
     device_id text collate "C" not null,
     client_id text collate "C" not null,
     hash text not null,
     peer text collate "C",
     kind smallint not null,
     body text not null,
     primary key (lane, position)
   )`,
  `create unique index event_conversation_seq on message.event (conversation_id, seq)`,
  // Rows are kept forever: this key identifies a resend as the same message.
  `create unique index event_client_id on message.event (conversation_id, user_id, client_id)`,

  `create table message.conversation (
     conversation_id text collate "C" primary key,
     group_id text not null,
     created_by text not null,
     created_position bigint not null
   )`,
  // A member from from_position up to, but not including, to_position. Both are positions of the conversation's lane.
  `create table message.member (
     conversation_id text collate "C" not null,
     user_id text collate "C" not null,
     from_position bigint not null,
     to_position bigint,
     primary key (conversation_id, user_id, from_position)
   )`,
];
