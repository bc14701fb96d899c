import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The newest token of each device, so that a revocation ends it whatever the clocks say. */
export class IssuedAt1700000003000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    // Seconds since 1970, as a token's iat; 0: not known, or logged in without a token.
    await runner.query('alter table offline.device add column issued_at bigint not null default 0');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table offline.device drop column issued_at');
  }
}
