import { ensureLanes, runMigrations } from '@huizhi/database';
import pg from 'pg';
import { ensureVectors } from '../sql/vectors.js';
import { First1700000000000 } from './1700000000000-first.js';
import { Revocations1700000001000 } from './1700000001000-revocations.js';
import { Refuse1700000002000 } from './1700000002000-refuse.js';
import { IssuedAt1700000003000 } from './1700000003000-issued-at.js';

export const SCHEMA = 'offline';
export const migrations = [First1700000000000, Revocations1700000001000, Refuse1700000002000, IssuedAt1700000003000];

/**
 * Brings the schema up to date and creates the lanes unless they exist.
 * @throws LaneCountError when the data was created with other numbers of lanes
 */
export async function prepareDatabase(options: {
  url: string;
  applicationName: string;
  lanes: number;
  messageLanes: number;
}): Promise<string[]> {
  const { url, applicationName, lanes, messageLanes } = options;
  const names = await runMigrations({ url, schema: SCHEMA, applicationName, migrations });
  const client = new pg.Client({ connectionString: url, application_name: applicationName });
  await client.connect();
  try {
    await ensureLanes(client, SCHEMA, lanes);
    await ensureVectors(client, lanes, messageLanes);
  } finally {
    await client.end();
  }
  return names;
}
