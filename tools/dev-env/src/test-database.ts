import { randomBytes } from 'node:crypto';
import { createSchemas, dropDatabase } from './database.js';
import { sharedPostgresUrl } from './environment.config.js';
import { randomSecret } from './state.js';

export interface TestDatabase {
  /** The URL with the role that owns `schema`, which is its search path. */
  url: string;
  drop(): Promise<void>;
}

/** A superuser's URL of the shared server of a test run. Throws when there is none. */
export function testPostgresUrl(): string {
  const url = sharedPostgresUrl();
  if (!url) {
    throw new Error(
      'HZ_TEST_POSTGRES_URL is not set. `npm test` starts a PostgreSQL for the tests and sets it; ' +
        'for some of them: `npm test -- --selectProjects <name>` or `npm test -- <file>`',
    );
  }
  return url;
}

/** For `.it.test.ts`: a new database with one schema and the role that owns it. Takes about 100 ms. */
export async function makeTestDatabase(schema: string): Promise<TestDatabase> {
  const admin = testPostgresUrl();
  const database = testDatabaseName();
  const urls = await createSchemas(admin, database, { [schema]: randomSecret() });
  return { url: urls[schema] as string, drop: () => dropDatabase(admin, database, [schema]) };
}

export function testDatabaseName(): string {
  return `t_${randomBytes(6).toString('hex')}`;
}
