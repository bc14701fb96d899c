import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Issue time of the newest token of each device, so that a revocation ends that token even when clocks differ. */
export class IssuedAt1700000003000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    // Seconds since 1970, like the `iat` of a token; 0: unknown, or a login without a token.
    await runner.query('alter table offline.device add column issued_at bigint not null default 0');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table offline.device drop column issued_at');
  }
}
