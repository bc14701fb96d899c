import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import pg from 'pg';
import { eventually } from '@huizhi/dev-env';
import { TestCluster } from './support/test-cluster.js';

jest.setTimeout(60_000);

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start();
}, 120_000);
afterAll(() => cluster?.stop(), 60_000);

/** Makes the entries 40 days old, ten days more than the retention. */
async function age(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ day: string; table: string }>(
    `select day::text as day, 'inbox_' || to_char(day, 'YYYYMMDD') as table from (select (now() at time zone 'utc')::date - 40 as day) d`,
  );
  const { day, table } = rows[0]!;
  await client.query(
    `create table offline.${table} partition of offline.inbox for values from ('${day}') to ('${day}'::date + 1)`,
  );
  await client.query(`update offline.inbox set day = $1`, [day]);
  return table;
}

test('a device that is offline past the retention gets resync, reads the history and continues', async () => {
  const [alice, bob] = [cluster.name('alice'), cluster.name('bob')];
  await cluster.known(bob);
  const sender = await cluster.device(alice);
  for (const id of ['m1', 'm2', 'm3']) await sender.settle(bob, id);

  const client = new pg.Client({ connectionString: cluster.system.databaseUrl('offline') });
  await client.connect();
  try {
    await eventually('three entries', async () => {
      const { rowCount } = await client.query('select from offline.inbox where user_id = $1', [bob]);
      return rowCount === 3;
    });
    await cluster.system.offline().stop();
    const table = await age(client);
    await cluster.system.offline().restart();
    await eventually('the old day to be dropped', async () => {
      const { rowCount } = await client.query(`select from pg_class where relname = $1`, [table]);
      return rowCount === 0;
    });
  } finally {
    await client.end();
  }

  const device = await cluster.device(bob, 'first');
  expect(device.find({ messageType: 'loginReceipt' })).toMatchObject({ resync: true, inboxSeq: 0, head: 0 });
  expect((await cluster.history(device, alice)).map((one) => one.clientMsgID)).toEqual(['m1', 'm2', 'm3']);
  const later = await sender.settle(bob, 'm4');
  const [seen] = await device.sawMessages(1);
  expect(seen).toMatchObject({ messageID: later.messageID, inboxSeq: 4 });
  await device.confirmed(4);
  await device.drop();
  const again = await cluster.device(bob, 'first');
  expect(again.find({ messageType: 'loginReceipt' })).toMatchObject({ inboxSeq: 4, head: 4, waiting: 0 });
  expect(again.find({ messageType: 'loginReceipt' })).not.toHaveProperty('resync');
});
