import pg from 'pg';
import { ensureLanes } from './lanes/lane-count.js';
import { runMigrations } from './migrations.js';
import type { DatabaseOptions } from './options.js';

export interface ServiceMigration {
  readonly database: DatabaseOptions;
  readonly lanes: number;
}

/**
 * The one-shot migration command of a service with lanes: migrates the schema, creates the lanes and prints what it
 * did. On failure, also of `settings`, prints the reason on standard error and sets exit code 1. Safe to run
 * concurrently.
 */
export async function migrateService(settings: () => ServiceMigration): Promise<void> {
  try {
    const { database, lanes } = settings();
    const names = await runMigrations(database);
    await createLanes(database, lanes);
    process.stdout.write(
      `schema ${database.schema}: ${names.length === 0 ? 'up to date' : `ran ${names.join(', ')}`}\n`,
    );
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    process.exitCode = 1;
  }
}

async function createLanes({ url, schema, applicationName }: DatabaseOptions, lanes: number): Promise<void> {
  const client = new pg.Client({
    connectionString: url,
    application_name: applicationName,
    connectionTimeoutMillis: 3_000,
  });
  await client.connect();
  try {
    await ensureLanes(client, schema, lanes);
  } finally {
    await client.end();
  }
}
