import pg from 'pg';
import { DataSource } from 'typeorm';
import { Backoff, pause } from '@huizhi/runtime';
import { MigrationLockError, PendingMigrationsError } from './errors.js';
import { assertDirectSession } from './session.js';
import { MIGRATIONS_TABLE, checkedSchema, dataSourceOptions, type DatabaseOptions } from './options.js';

/** First half of the advisory lock's key ("hz"): other programs in the database must not use the same key. */
const LOCK_CLASS = 0x687a;

export interface MigrationOptions extends DatabaseOptions {
  /** How long another process may hold the lock, in milliseconds. Default 120,000. */
  readonly lockTimeoutMs?: number;
}

/**
 * Brings the schema up to date, creating it if missing. Safe when many processes run it at once. The lock is polled: a
 * session that blocks on an advisory lock is an open transaction, and `create index concurrently` would wait for it.
 * @returns the names of the migrations that it ran
 * @throws MigrationLockError, PoolerError
 */
export async function runMigrations(options: MigrationOptions): Promise<string[]> {
  const schema = checkedSchema(options.schema);
  await assertDirectSession(options);
  const lock = new pg.Client({
    connectionString: options.url,
    application_name: `${options.applicationName} migrations`,
    connectionTimeoutMillis: options.connectTimeoutMs ?? 3_000,
    keepAlive: true,
  });
  lock.on('error', () => undefined);
  await lock.connect();
  try {
    await takeLock(lock, schema, options.lockTimeoutMs ?? 120_000);
    await createSchema(lock, schema);
    return await migrate(options);
  } finally {
    // The lock is released with its session.
    await lock.end();
  }
}

/**
 * Only reads, so that a service can run with rights to its rows alone.
 * @throws PendingMigrationsError with the missing migrations and the command to run
 */
export async function assertMigrated(dataSource: DataSource): Promise<void> {
  const { schema } = dataSource.options as { schema?: string };
  const table = `${schema ?? 'public'}.${MIGRATIONS_TABLE}`;
  const [found] = await dataSource.query<{ found: boolean }[]>('select to_regclass($1) is not null as found', [table]);
  const applied = found?.found ? await dataSource.query<{ name: string }[]>(`select name from ${table}`) : [];
  const names = new Set(applied.map((row) => row.name));
  const pending = dataSource.migrations.map((m) => m.name ?? m.constructor.name).filter((name) => !names.has(name));
  if (pending.length > 0) {
    throw new PendingMigrationsError(
      `schema ${schema ?? 'public'} lacks ${pending.join(', ')}: run "node dist/apps/${schema}/src/migrate.js" with the same database URL, then start again`,
    );
  }
}

/**
 * `create schema if not exists` requires the right to create even when it exists; a service's role does not have it.
 */
async function createSchema(client: pg.Client, schema: string): Promise<void> {
  const { rows } = await client.query<{ missing: boolean }>('select to_regnamespace($1) is null as missing', [schema]);
  if (rows[0]?.missing) await client.query(`create schema ${schema}`);
}

async function takeLock(lock: pg.Client, schema: string, timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  const backoff = new Backoff(20, 500);
  for (;;) {
    const { rows } = await lock.query<{ taken: boolean }>('select pg_try_advisory_lock($1, hashtext($2)) as taken', [
      LOCK_CLASS,
      schema,
    ]);
    if (rows[0]?.taken) return;
    if (performance.now() >= deadline) {
      throw new MigrationLockError(`another process migrates schema ${schema} for more than ${timeoutMs} ms`);
    }
    await pause(backoff.next());
  }
}

async function migrate(options: MigrationOptions): Promise<string[]> {
  // No statement timeout: building an index may take long.
  const dataSource = new DataSource(dataSourceOptions({ ...options, poolSize: 1, statementTimeoutMs: 0 }));
  await dataSource.initialize();
  try {
    return (await dataSource.runMigrations()).map((migration) => migration.name);
  } finally {
    await dataSource.destroy();
  }
}
