import type { MigrationInterface, QueryRunner } from 'typeorm';

/** From when on a user's tokens are good, and which sessions were ended by that. */
export class Revocations1700000001000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const statement of tables) await runner.query(statement);
  }

  async down(): Promise<void> {
    throw new Error('what was revoked must stay revoked');
  }
}

const tables = [
  // tokens_valid_from: seconds since 1970, as a token's iat. Users that were never revoked, that is nearly all, have no row.
  `create table offline.revocation (
     user_id text collate "C" primary key,
     tokens_valid_from bigint not null,
     revoked_at timestamptz not null default now()
   )`,
  // Sessions of lower epochs were ended by a revocation, not by another login: they are told so whenever they ask.
  `alter table offline.device add column revoked_epoch bigint not null default 0`,
];
