import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { dumpSchema, makeTestDatabase } from '@huizhi/dev-env';
import { runMigrations } from '@huizhi/database';
import { databaseOptions } from '../database.js';

/** The schema after all migrations. `UPDATE_SCHEMA=1 npm test -- schema` rewrites the file for review. */
const FILE = join(import.meta.dirname, 'schema.txt');

it('the migrations create the schema in schema.txt', async () => {
  const database = await makeTestDatabase('message');
  try {
    await runMigrations(databaseOptions(database.url, 'test'));
    const schema = await dumpSchema(database.url, 'message', /^migrations$/);
    if (process.env['UPDATE_SCHEMA']) writeFileSync(FILE, schema);
    expect(schema).toBe(readFileSync(FILE, 'utf8'));
  } finally {
    await database.drop();
  }
});
