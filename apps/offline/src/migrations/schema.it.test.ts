import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { dumpSchema, makeTestDatabase } from '@huizhi/dev-env';
import { runMigrations } from '@huizhi/database';
import { migrations, SCHEMA } from './prepare.js';

/** The schema after all migrations. `UPDATE_SCHEMA=1 npm test -- schema` rewrites the file for review. */
const FILE = join(import.meta.dirname, 'schema.txt');

it('the migrations create the schema in schema.txt', async () => {
  const database = await makeTestDatabase('offline');
  try {
    await runMigrations({ url: database.url, schema: SCHEMA, applicationName: 'test', migrations });
    const schema = await dumpSchema(database.url, 'offline', /^migrations$|^inbox_\d/);
    if (process.env['UPDATE_SCHEMA']) writeFileSync(FILE, schema);
    expect(schema).toBe(readFileSync(FILE, 'utf8'));
  } finally {
    await database.drop();
  }
});
