import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  groupConversation,
  laneOf,
  subjects,
  type LaneAnnouncement,
  type Send,
  type SendReceipt,
} from '@huizhi/protocol';
import { silentLogger } from '@huizhi/runtime';
import { DedicatedConnection, LaneKeeper } from '@huizhi/database';
import { SCHEMA } from '../database.js';
import { LANES, MessageFixture } from '../testing/message-fixture.js';
import { LaneWriter } from './lane-writer.js';
import { SendBatchTask, type QueuedSend } from './send-batch-task.js';

const GROUP = groupConversation('g1');
const LANE = laneOf(GROUP, LANES);

let fixture: MessageFixture;
let connection: DedicatedConnection;
let keeper: LaneKeeper;
let writer: LaneWriter;
beforeEach(async () => {
  fixture = await MessageFixture.start();
  await fixture.users('alice', 'bob', 'carol');
  connection = new DedicatedConnection({ url: fixture.url, schema: SCHEMA, applicationName: 'w1' });
  keeper = new LaneKeeper({
    ...{
      service: 'message',
      schema: SCHEMA,
      lanes: LANES,
      instance: 'w1',
      connection,
      bus: fixture.bus,
      log: silentLogger,
    },
    // No tick of its own accord while a test lasts.
    leaseMs: 120_000,
    onTaken: () => Promise.resolve(),
    onLost: () => undefined,
    onReleasing: () => Promise.resolve(),
  });
  writer = new LaneWriter(connection, keeper, silentLogger, 1024 * 1024);
  await keeper.start();
});
afterEach(async () => {
  await keeper.stop();
  await connection.close();
  await fixture.stop();
});

/** One send, in a batch of a session of its own. */
function queued(user: string, send: Partial<Send>): QueuedSend {
  const whole: Send = { kind: 'message', conversation: GROUP, group: 'g1', clientID: 'c1', hash: 'h', ...send };
  const lane = laneOf(whole.conversation, LANES);
  const batch = { session: fixture.newSession(), lane, batch: 1, user, device: 'phone', sends: [whole] };
  return new SendBatchTask('gateway', batch, ['{"messageType":"normal"}']).sends[0]!;
}

/** What may be said of each item, in their order. */
async function store(...sends: QueuedSend[]): Promise<(SendReceipt | undefined)[]> {
  const receipts = new Map<QueuedSend, SendReceipt>();
  for (const outcome of await writer.store(sends)) {
    if (outcome.kind === 'committed') for (const one of outcome.plan.settled) receipts.set(one.queued, one.receipt);
    if (outcome.kind === 'refused') for (const one of outcome.sends) receipts.set(one, outcome.receipt);
  }
  return sends.map((one) => receipts.get(one));
}

async function storedSends(): Promise<{ position: number; seq: number; hash: string }[]> {
  const { rows } = await fixture.admin.query<{ position: number; seq: number; hash: string }>(
    'select position::int, seq::int, hash from message.event order by lane, position',
  );
  return rows;
}

describe('a refused send', () => {
  it('stays refused when a later one with its client id is stored in the same transaction', async () => {
    const bad = queued('alice', { hash: 'bad', kind: 'groupCreated', members: ['bob', 'nobody'] });
    const good = queued('alice', { hash: 'good', kind: 'groupCreated', members: ['bob'] });
    expect(await store(bad, good)).toMatchObject([{ error: 'notAllowed' }, { position: 1, seq: 1 }]);
    expect(await storedSends()).toEqual([{ position: 1, seq: 1, hash: 'good' }]);
    expect(await store(queued('bob', { clientID: 'b1' }))).toMatchObject([{ position: 2, seq: 2 }]);
  });

  it('is a duplicate after all when an earlier owner stored it', async () => {
    expect(await store(queued('alice', { kind: 'groupCreated', members: ['bob'] }))).toMatchObject([{ position: 1 }]);
    keeper.forget([LANE], 'database');
    await fixture.until(() => keeper.held(LANE) !== undefined);
    const receipts = await store(
      queued('alice', { kind: 'groupCreated', members: ['bob'] }),
      queued('bob', { clientID: 'b1' }),
    );
    expect(receipts).toMatchObject([{ position: 1 }, { position: 2 }]);
  });
});

it('decides as ever when it has room to remember nothing', async () => {
  writer = new LaneWriter(connection, keeper, silentLogger, 0);
  const sends = () => [
    queued('alice', { clientID: 'make', kind: 'groupCreated', members: ['bob'] }),
    queued('bob', { clientID: 'b1' }),
    queued('carol', { clientID: 'c1' }),
    queued('alice', { clientID: 'a1', conversation: 'pair', group: undefined, to: 'bob' }),
  ];
  const receipts = await store(...sends());
  expect(receipts).toMatchObject([{ seq: 1 }, { seq: 2 }, { error: 'notAllowed' }, { seq: 1 }]);
  expect(await store(...sends())).toEqual(receipts);
  expect(await store(queued('bob', { clientID: 'b2' }))).toMatchObject([{ seq: 3 }]);
});

/** As if another instance had owned the lane for a moment and made the group in it. */
async function anotherOwnerMakesTheGroup(): Promise<void> {
  await fixture.admin.query(
    `insert into message.event
       (lane, position, conversation_id, seq, server_time, user_id, device_id, client_id, hash, kind, body)
     values ($1, 1, $2, 1, 0, 'alice', 'phone', 'make', 'h', 2, '{}')`,
    [LANE, GROUP],
  );
  await fixture.admin.query(`insert into message.member select $1, unnest(array['alice', 'bob']), 1, null`, [GROUP]);
  await fixture.admin.query(
    `update message.lane set epoch = epoch + 1, owner = 'other', lease_until = '-infinity', head = 1 where lane = $1`,
    [LANE],
  );
}

it('knows nothing of a lane that comes back but what is read then', async () => {
  // While its row is locked the lane cannot be taken back.
  await fixture.admin.query('begin');
  await fixture.admin.query('select from message.lane where lane = $1 for update', [LANE]);
  const early = store(queued('bob', { clientID: 'early' }));
  keeper.forget([LANE], 'database');
  // The group was looked for, in vain, after the lane was lost: nothing may be said of that.
  expect(await early).toEqual([undefined]);
  await anotherOwnerMakesTheGroup();
  await fixture.admin.query('commit');
  const released: LaneAnnouncement = { owner: 'other', taken: false, lanes: [], released: [LANE] };
  fixture.bus.publish(subjects.lanes('message'), JSON.stringify(released));
  await fixture.until(() => keeper.held(LANE) !== undefined);
  expect(await store(queued('bob', { clientID: 'late' }))).toMatchObject([{ position: 2, seq: 2 }]);
});
