import { createRefuse } from '@huizhi/database';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Creates the function with which an owner's single-statement transaction raises an error and rolls back. */
export class Refuse1700000002000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(createRefuse('offline'));
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop function offline.refuse(text, text)');
  }
}
