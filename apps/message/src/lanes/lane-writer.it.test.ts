import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { groupConversation, laneOf, type Send, type SendReceipt } from '@huizhi/protocol';
import { DedicatedConnection, LaneKeeper, silentLogger } from '@huizhi/runtime';
import { SCHEMA } from '../database.js';
import { LANES, Rig } from '../testing/rig.js';
import { LaneWriter } from './lane-writer.js';
import { Work, type Item } from './work.js';

const GROUP = groupConversation('g1');

let rig: Rig;
let connection: DedicatedConnection;
let keeper: LaneKeeper;
let writer: LaneWriter;
beforeEach(async () => {
  rig = await Rig.start();
  await rig.users('alice', 'bob', 'carol');
  connection = new DedicatedConnection({ url: rig.url, schema: SCHEMA, applicationName: 'w1' });
  keeper = new LaneKeeper({
    ...{
      service: 'message',
      schema: SCHEMA,
      lanes: LANES,
      instance: 'w1',
      connection,
      bus: rig.bus,
      log: silentLogger,
    },
    onTaken: () => Promise.resolve(),
    onLost: () => undefined,
    onReleasing: () => Promise.resolve(),
  });
  writer = new LaneWriter(connection, keeper, silentLogger);
  await keeper.start();
});
afterEach(async () => {
  await keeper.stop();
  await connection.close();
  await rig.stop();
});

/** One send, in a batch of a session of its own. */
function item(user: string, send: Partial<Send>): Item {
  const whole: Send = { conversation: GROUP, group: 'g1', clientID: 'c1', hash: 'h', ...send };
  const lane = laneOf(whole.conversation, LANES);
  const batch = { session: rig.newSession(), lane, batch: 1, user, device: 'phone', sends: [whole] };
  return new Work('gateway', batch, ['{"messageType":"normal"}']).items[0]!;
}

/** What may be said of each item, in their order. */
async function store(...items: Item[]): Promise<(SendReceipt | undefined)[]> {
  const receipts = new Map<Item, SendReceipt>();
  for (const outcome of await writer.store(items)) {
    if (outcome.kind === 'committed') for (const one of outcome.plan.settled) receipts.set(one.item, one.receipt);
    if (outcome.kind === 'refused') for (const one of outcome.items) receipts.set(one, outcome.receipt);
  }
  return items.map((one) => receipts.get(one));
}

async function storedSends(): Promise<{ position: number; seq: number; hash: string }[]> {
  const { rows } = await rig.admin.query<{ position: number; seq: number; hash: string }>(
    'select position::int, seq::int, hash from message.event order by lane, position',
  );
  return rows;
}

describe('a refused send', () => {
  it('stays refused when a later one with its client id is stored in the same transaction', async () => {
    const bad = item('alice', { hash: 'bad', members: ['bob', 'nobody'] });
    const good = item('alice', { hash: 'good', members: ['bob'] });
    expect(await store(bad, good)).toMatchObject([{ error: 'notAllowed' }, { position: 1, seq: 1 }]);
    expect(await storedSends()).toEqual([{ position: 1, seq: 1, hash: 'good' }]);
    expect(await store(item('bob', { clientID: 'b1' }))).toMatchObject([{ position: 2, seq: 2 }]);
  });

  it('is a duplicate after all when an earlier owner stored it', async () => {
    expect(await store(item('alice', { members: ['bob'] }))).toMatchObject([{ position: 1 }]);
    keeper.forget([laneOf(GROUP, LANES)], 'database');
    await rig.until(() => keeper.held(laneOf(GROUP, LANES)) !== undefined);
    const receipts = await store(item('alice', { members: ['bob'] }), item('bob', { clientID: 'b1' }));
    expect(receipts).toMatchObject([{ position: 1 }, { position: 2 }]);
  });
});
