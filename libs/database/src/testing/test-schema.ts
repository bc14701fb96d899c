import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { environment } from '@huizhi/runtime';

/** A schema for one test file on the PostgreSQL of `HZ_TEST_POSTGRES_URL`, with a client besides the tested one. */
export class TestSchema {
  private constructor(
    readonly url: string,
    readonly name: string,
    readonly client: pg.Client,
  ) {}

  static async create(): Promise<TestSchema> {
    const url = environment()['HZ_TEST_POSTGRES_URL'];
    if (!url) throw new Error('set HZ_TEST_POSTGRES_URL to a superuser URL of a PostgreSQL for tests');
    const name = `t_${randomBytes(6).toString('hex')}`;
    const client = new pg.Client({ connectionString: url, options: `-c search_path=${name}` });
    await client.connect();
    await client.query(`create schema ${name}`);
    return new TestSchema(url, name, client);
  }

  async drop(): Promise<void> {
    await this.client.query(`drop schema if exists ${this.name} cascade`);
    await this.client.end();
  }

  /** Ends all sessions with this application name. @returns their number */
  async terminate(applicationName: string): Promise<number> {
    const { rows } = await this.client.query<{ n: string }>(
      'select count(pg_terminate_backend(pid)) as n from pg_stat_activity where application_name = $1 and datname = current_database()',
      [applicationName],
    );
    return Number(rows[0]?.n);
  }
}
