import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { makeTestDatabase, type TestDatabase } from '@huizhi/dev-env';
import pg from 'pg';
import { ensureVectors } from '../sql/vectors.js';
import { LANES, HZ_MESSAGE_LANES, until } from '../testing/offline-fixture.js';
import { prepareDatabase } from './prepare.js';

let database: TestDatabase;
let clients: pg.Client[];
beforeEach(async () => {
  database = await makeTestDatabase('offline');
  clients = [];
});
afterEach(async () => {
  await Promise.all(clients.map((client) => client.end()));
  await database.drop();
});

const prepare = (): Promise<string[]> =>
  prepareDatabase({ url: database.url, applicationName: 'test', lanes: LANES, messageLanes: HZ_MESSAGE_LANES });

async function connected(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: database.url });
  clients.push(client);
  await client.connect();
  return client;
}

async function vectors(client: pg.Client): Promise<number> {
  return (await client.query('select from offline.inbox_lane')).rowCount ?? 0;
}

test('ten concurrent migrations of an empty database run each migration once, create the lanes and succeed', async () => {
  const ran = await Promise.all(Array.from({ length: 10 }, prepare));
  expect(ran.flat().length).toBe(new Set(ran.flat()).size);
  expect(await vectors(await connected())).toBe(LANES);
}, 60_000);

test('lanes that another migration creates at the same time are not created twice', async () => {
  await prepare();
  const [one, two, observer] = [await connected(), await connected(), await connected()];
  await one.query('delete from offline.inbox_lane');
  await one.query('begin');
  await ensureVectors(one, LANES, HZ_MESSAGE_LANES);
  const other = ensureVectors(two, LANES, HZ_MESSAGE_LANES);
  const waits = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
  await until(async () => (await observer.query(waits)).rowCount === 1, 'the other to come to the same rows');
  await one.query('commit');
  await other;
  expect(await vectors(one)).toBe(LANES);
});
