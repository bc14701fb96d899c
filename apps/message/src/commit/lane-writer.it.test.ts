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
    // The keeper does not tick while a test lasts.
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

/** One send in a batch of its own session. */
function queued(user: string, send: Partial<Send>): QueuedSend {
  const whole: Send = { kind: 'message', conversation: GROUP, group: 'g1', clientID: 'c1', hash: 'h', ...send };
  const lane = laneOf(whole.conversation, LANES);
  const batch = { session: fixture.newSession(), lane, batch: 1, user, device: 'phone', sends: [whole] };
  return new SendBatchTask('gateway', batch, ['{"messageType":"normal"}']).sends[0]!;
}

/** The receipt of each send, in order; undefined when it must not be answered. */
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
  it('stays refused when a later send with its client id is stored in the same transaction', async () => {
    const bad = queued('alice', { hash: 'bad', kind: 'groupCreated', members: ['bob', 'nobody'] });
    const good = queued('alice', { hash: 'good', kind: 'groupCreated', members: ['bob'] });
    expect(await store(bad, good)).toMatchObject([{ error: 'notAllowed' }, { position: 1, seq: 1 }]);
    expect(await storedSends()).toEqual([{ position: 1, seq: 1, hash: 'good' }]);
    expect(await store(queued('bob', { clientID: 'b1' }))).toMatchObject([{ position: 2, seq: 2 }]);
  });

  it('gets the receipt of the stored message when an earlier owner stored it', async () => {
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

it('the writer makes the same decisions when its memory may hold nothing', async () => {
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

/** Simulates an instance that owned the lane briefly and created the group. */
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

it('a lane that is taken again is decided only from what is read afterwards', async () => {
  // While its row is locked, the lane cannot be taken again.
  await fixture.admin.query('begin');
  await fixture.admin.query('select from message.lane where lane = $1 for update', [LANE]);
  const early = store(queued('bob', { clientID: 'early' }));
  keeper.forget([LANE], 'database');
  // The look-up that did not find the group ran after the lane was lost: no answer may follow from it.
  expect(await early).toEqual([undefined]);
  await anotherOwnerMakesTheGroup();
  await fixture.admin.query('commit');
  const released: LaneAnnouncement = { owner: 'other', taken: false, lanes: [], released: [LANE] };
  fixture.bus.publish(subjects.lanes('message'), JSON.stringify(released));
  await fixture.until(() => keeper.held(LANE) !== undefined);
  expect(await store(queued('bob', { clientID: 'late' }))).toMatchObject([{ position: 2, seq: 2 }]);
});
