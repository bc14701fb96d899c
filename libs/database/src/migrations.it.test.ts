import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import pg from 'pg';
import { DataSource, type MigrationInterface, type QueryRunner } from 'typeorm';
import { TestSchema } from './testing/test-schema.js';
import { MigrationLockError, PendingMigrationsError } from './errors.js';
import { assertMigrated, runMigrations } from './migrations.js';
import { dataSourceOptions, type DatabaseOptions } from './options.js';

class First1700000000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('create table thing (id bigint primary key)');
    await runner.query('select pg_sleep(0.05)');
  }
  async down(): Promise<void> {}
}

class Second1700000000001 implements MigrationInterface {
  readonly transaction = false;
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('create index concurrently thing_id on thing (id)');
  }
  async down(): Promise<void> {}
}

let schema: TestSchema;
let options: DatabaseOptions;
const sources: DataSource[] = [];

beforeAll(async () => {
  schema = await TestSchema.create();
  options = {
    url: schema.url,
    schema: `${schema.name}_m`,
    migrations: [First1700000000000, Second1700000000001],
    applicationName: schema.name,
  };
});
afterEach(async () => {
  await Promise.all(sources.splice(0).map((source) => source.destroy()));
});
afterAll(async () => {
  await schema.client.query(`drop schema if exists ${options.schema} cascade`);
  await schema.drop();
});

async function opened(of: DatabaseOptions): Promise<DataSource> {
  const source = await new DataSource(dataSourceOptions(of)).initialize();
  sources.push(source);
  return source;
}

test('twenty concurrent runs execute each migration once, create the schema and succeed', async () => {
  const all = await Promise.all(Array.from({ length: 20 }, () => runMigrations(options)));
  expect(all.flat().sort()).toEqual(['First1700000000000', 'Second1700000000001']);
  const { rows } = await schema.client.query(`select count(*)::int as n from ${options.schema}.migrations`);
  expect(rows).toEqual([{ n: 2 }]);
}, 60_000);

test('a service refuses to start on an older schema and names the command', async () => {
  class Third1700000000002 extends First1700000000000 {}
  const migrations = [First1700000000000, Second1700000000001, Third1700000000002];
  const source = await opened({ ...options, migrations });
  await expect(assertMigrated(source)).rejects.toThrow(PendingMigrationsError);
  await expect(assertMigrated(source)).rejects.toThrow(/lacks Third1700000000002: run ".*migrate/);
});

test('an up-to-date schema passes the check; a missing one fails and is not created', async () => {
  const source = await opened(options);
  await assertMigrated(source);

  const missing = `${schema.name}_none`;
  const other = await opened({ ...options, schema: missing });
  await expect(assertMigrated(other)).rejects.toThrow(PendingMigrationsError);
  const { rows } = await schema.client.query('select to_regnamespace($1) as found', [missing]);
  expect(rows).toEqual([{ found: null }]);
});

test('migrations reject when another process holds the lock too long', async () => {
  const holder = new pg.Client({ connectionString: schema.url });
  await holder.connect();
  await holder.query('select pg_advisory_lock($1, hashtext($2))', [0x687a, options.schema]);
  await expect(runMigrations({ ...options, lockTimeoutMs: 100 })).rejects.toThrow(MigrationLockError);
  await holder.end();
});

test('a schema name that is not a plain identifier is refused', () => {
  expect(() => dataSourceOptions({ ...options, schema: 'a; drop table x' })).toThrow('cannot be a schema');
});
