import pg from 'pg';
import { readConfig, type Variable } from '../config/config.js';
import { environment } from '../config/environment.js';
import { ensureLanes } from '../lanes/lane-count.js';
import { runMigrations } from './migrations.js';
import type { DatabaseOptions } from './options.js';

export interface ServiceMigration {
  readonly url: Variable<string>;
  readonly urlName: string;
  readonly lanes: Variable<number>;
  readonly lanesName: string;
  options(url: string): DatabaseOptions;
}

/**
 * The one-shot migration command of a service with lanes: schema up to date, lanes created. Says what it did; on failure
 * the reason on standard error and code 1. Safe to run from many places at once.
 */
export async function migrateService(migration: ServiceMigration): Promise<void> {
  try {
    const config = readConfig<Record<string, string | number>>(
      { variables: { [migration.urlName]: migration.url, [migration.lanesName]: migration.lanes } },
      environment(),
    );
    const options = migration.options(String(config[migration.urlName]));
    const names = await runMigrations(options);
    await createLanes(options, Number(config[migration.lanesName]));
    process.stdout.write(
      `schema ${options.schema}: ${names.length === 0 ? 'up to date' : `ran ${names.join(', ')}`}\n`,
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
