import { createRefuse } from '@huizhi/database';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** A transaction of an owner is one statement; this is how it undoes itself. */
export class Refuse1700000002000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(createRefuse('offline'));
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop function offline.refuse(text, text)');
  }
}
