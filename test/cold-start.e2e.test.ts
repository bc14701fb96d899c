import { eventually } from '@huizhi/dev-env';
import { groupConversation, laneOf } from '@huizhi/protocol';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import pg from 'pg';
import { TestCluster } from './support/test-cluster.js';

jest.setTimeout(120_000);

const LANES = 32;
const GROUPS = 30_000;
/** One request per group would not finish in this time; combined requests take a few seconds. */
const WITHIN_MS = 60_000;

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.start();
}, 120_000);
afterAll(() => cluster?.stop(), 60_000);

async function query<Row extends pg.QueryResultRow>(
  schema: 'message' | 'offline',
  text: string,
  values: unknown[] = [],
): Promise<Row[]> {
  const client = new pg.Client({ connectionString: cluster.system.databaseUrl(schema) });
  await client.connect();
  try {
    return (await client.query<Row>(text, values)).rows;
  } finally {
    await client.end();
  }
}

/** Stores old groups with one message each, as the message service would while no offline service runs. */
async function storeInGroups(
  conversations: readonly string[],
  sender: string,
  members: readonly string[],
): Promise<void> {
  await query(
    'message',
    `insert into message.member (conversation_id, user_id, from_position)
     select conversation_id, user_id, 1 from unnest($1::text[]) conversation_id cross join unnest($2::text[]) user_id`,
    [conversations, [sender, ...members]],
  );
  await query(
    'message',
    `with made as (
       insert into message.event
         (lane, position, conversation_id, seq, server_time, user_id, device_id, client_id, hash, kind, body)
       select l.lane, l.head + row_number() over (partition by l.lane), a.conversation_id, 2, 1, $3, 'phone', 'c', 'h', 1, '{}'
         from unnest($1::text[], $2::int[]) as a (conversation_id, lane) join message.lane l using (lane)
       returning lane)
     update message.lane l set head = head + n from (select lane, count(*) n from made group by lane) m where m.lane = l.lane`,
    [conversations, conversations.map((conversation) => laneOf(conversation, LANES)), sender],
  );
}

test('an offline service without cached groups loads 30,000 groups in few requests and delivers every message', async () => {
  const { system } = cluster;
  const [alice, bob, carol] = [cluster.name('alice'), cluster.name('bob'), cluster.name('carol')];
  await Promise.all([system.message().stop(), system.offline().stop()]);
  const conversations = Array.from({ length: GROUPS }, (_, n) => groupConversation(`cold${n}`));
  await storeInGroups(conversations, alice, [bob, carol]);
  await Promise.all([system.message().restart(), system.offline().restart()]);

  await eventually(
    'every message in both inboxes',
    async () => {
      const rows = await query<{ n: number }>('offline', 'select count(*)::int as n from offline.inbox');
      return rows[0]?.n === 2 * GROUPS;
    },
    WITHIN_MS,
  );
  expect(await cluster.metric(system.offline(), 'hz_offline_member_requests_total')).toBeLessThan(GROUPS / 50);
});
