import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Per user the time from which tokens are valid; per device which sessions were ended by a revocation. */
export class Revocations1700000001000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const statement of tables) await runner.query(statement);
  }

  async down(): Promise<void> {
    throw new Error('revocations cannot be reverted');
  }
}

const tables = [
  // tokens_valid_from: seconds since 1970, like the `iat` of a token. Users without a revocation, nearly all, have no
  // row.
  `create table offline.revocation (
     user_id text collate "C" primary key,
     tokens_valid_from bigint not null,
     revoked_at timestamptz not null default now()
   )`,
  // Sessions of lower epochs were ended by a revocation, not by another login; their requests are refused as revoked.
  `alter table offline.device add column revoked_epoch bigint not null default 0`,
];
