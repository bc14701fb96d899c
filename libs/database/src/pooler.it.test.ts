import { makeTestDatabase, PgBouncer, type PgBouncerOptions, type TestDatabase } from '@huizhi/dev-env';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { DataSource } from 'typeorm';
import { DedicatedConnection } from './dedicated-connection.js';
import { runMigrations } from './migrations.js';
import { dataSourceOptions } from './options.js';
import { assertDirectSession } from './session.js';

const SENTENCE = 'HZ_THINGS_DATABASE_URL: a connection pooler gives every transaction another session of PostgreSQL';
/** Operators set this to avoid PgBouncer's first error; PgBouncer then drops these parameters silently. */
const IGNORED =
  'ignore_startup_parameters = options,extra_float_digits,statement_timeout,idle_in_transaction_session_timeout';

let database: TestDatabase;
let pooler: PgBouncer | undefined;
const open: DedicatedConnection[] = [];

beforeEach(async () => {
  database = await makeTestDatabase('things');
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((connection) => connection.close()));
  await pooler?.stop();
  pooler = undefined;
  await database.drop();
});

async function through(poolMode: PgBouncerOptions['poolMode'], settings: string[] = []): Promise<string> {
  pooler = await PgBouncer.start({ urls: [database.url], poolMode, settings });
  return pooler.through(database.url);
}

const options = (url: string) => ({ url, schema: 'things', applicationName: 'test' });

function connection(url: string): DedicatedConnection {
  const made = new DedicatedConnection({ ...options(url), statementTimeoutMs: 1_234 });
  open.push(made);
  return made;
}

const settingsOf = async (client: pg.ClientBase): Promise<Record<string, string>> => {
  const names = ['search_path', 'statement_timeout', 'synchronous_commit'];
  const { rows } = await client.query<{ name: string; setting: string }>(
    'select name, current_setting(name) as setting from unnest($1::text[]) as name',
    [names],
  );
  return Object.fromEntries(rows.map(({ name, setting }) => [name, setting]));
};

describe.each([
  ['transaction', []],
  ['transaction', [IGNORED]],
  ['transaction', [IGNORED, 'server_round_robin = 1']],
  ['transaction', [IGNORED, 'default_pool_size = 1']],
  ['transaction', [IGNORED, 'server_reset_query_always = 1']],
  ['statement', [IGNORED]],
] as const)('a pooler in %s mode with %j', (mode, settings) => {
  test('is detected before any change, and the error names the variable and the fix', async () => {
    const url = await through(mode, [...settings]);
    await expect(assertDirectSession(options(url))).rejects.toThrow(SENTENCE);
    await expect(assertDirectSession(options(url))).rejects.toThrow('connect directly or use session mode');
    await expect(runMigrations(options(url))).rejects.toThrow(SENTENCE);
  });
});

test('a busy pooler in transaction mode is detected', async () => {
  const url = await through('transaction', [IGNORED, 'server_round_robin = 1', 'default_pool_size = 5']);
  const clients = Array.from({ length: 5 }, () => new pg.Client({ connectionString: url }));
  await Promise.all(clients.map((client) => client.connect()));
  await Promise.all(clients.map((client) => client.query('select pg_sleep(0.1)')));
  await expect(assertDirectSession(options(url))).rejects.toThrow(SENTENCE);
  await Promise.all(clients.map((client) => client.end()));
});

test.each([['without a setting', []] as const, ['that drops start-up parameters', [IGNORED]] as const])(
  'a pooler in session mode %s serves migrations, connections and pools with the settings they need',
  async (_, settings) => {
    const url = await through('session', [...settings]);
    await expect(assertDirectSession(options(url))).resolves.toBeUndefined();
    expect(await runMigrations(options(url))).toEqual([]);
    const expected = { search_path: 'things', statement_timeout: '1234ms', synchronous_commit: 'on' };
    expect(await connection(url).exclusive(settingsOf)).toEqual(expected);
    const source = new DataSource(dataSourceOptions({ ...options(url), statementTimeoutMs: 4_321 }));
    await source.initialize();
    const [row] = await source.query<{ path: string; timeout: string }[]>(
      `select current_setting('search_path') as path, current_setting('statement_timeout') as timeout`,
    );
    expect(row).toEqual({ path: 'things', timeout: '4321ms' });
    await source.destroy();
  },
);

test('PostgreSQL itself is not taken for a pooler', async () => {
  await expect(assertDirectSession(options(database.url))).resolves.toBeUndefined();
});

test('a connection waits for the disk at each commit although its role has synchronous_commit off', async () => {
  const admin = new pg.Client({ connectionString: database.url });
  await admin.connect();
  await admin.query('alter role current_user set synchronous_commit = off');
  await admin.end();
  expect(await connection(database.url).exclusive(settingsOf)).toMatchObject({ synchronous_commit: 'on' });
});

test("a connection's check detects that its session was replaced", async () => {
  const url = await through('transaction', [IGNORED]);
  const [one, other] = [connection(url), connection(url)];
  await one.check();
  await other.exclusive(async (client) => {
    // Occupies the server connection on which the first connection was prepared.
    await client.query('begin');
    await expect(one.check()).rejects.toThrow(SENTENCE);
    await client.query('rollback');
  });
});
