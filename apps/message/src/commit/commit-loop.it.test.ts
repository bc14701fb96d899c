import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  encodeLines,
  groupConversation,
  laneOf,
  pairConversation,
  subjects,
  type HistoryReply,
  type LogReply,
  type SendBatch,
  type SendReceipt,
  type StoredReceipt,
} from '@huizhi/protocol';
import { armFailpoints, disarmFailpoints, enableFailpoints, resetFailpoints, silentLogger } from '@huizhi/runtime';
import { GATEWAY, LANES, MessageFixture, text, type TestSend } from '../testing/message-fixture.js';
import '../failpoints.js';

let fixture: MessageFixture;
beforeEach(async () => {
  fixture = await MessageFixture.start();
  await fixture.users('alice', 'bob', 'carol');
});
afterEach(async () => {
  resetFailpoints();
  await fixture.stop();
});

const stored = (receipts: SendReceipt[]): StoredReceipt[] => {
  expect(receipts.filter((receipt) => 'error' in receipt)).toEqual([]);
  return receipts as StoredReceipt[];
};

const laneOfPair = (one: string, other: string): number => laneOf(pairConversation(one, other), LANES);

/** Creates a user whose conversation with alice is on another lane than bob's. */
async function someoneElsewhere(): Promise<string> {
  const users = Array.from({ length: 100 }, (_, n) => `u${n}`);
  const user = users.find((one) => laneOfPair('alice', one) !== laneOfPair('alice', 'bob'))!;
  await fixture.users(user);
  return user;
}

async function logOf(lane: number): Promise<{ positions: number[]; bodies: string[] }> {
  const { head, bodies } = await fixture.request<LogReply>(subjects.log, { op: 'range', lane, from: 1, limit: 1000 });
  return { positions: (head.events ?? []).map((event) => event.position), bodies };
}

describe('with the longest ids', () => {
  const longest = (first: string): string => first + '😀'.repeat(254);

  it('a transaction is published in as many bus messages as its events need', async () => {
    const [one, other] = [longest('a'), longest('b')];
    await fixture.users(one, other);
    await fixture.instance('m1');
    const sends = Array.from({ length: 400 }, (_, n) => ({ ...text(one, other, `c${n}`), body: '{"content":{}}' }));
    expect(stored(await fixture.send(one, sends))).toHaveLength(400);
    await fixture.until(() => fixture.events.length === 400);
    expect(fixture.events.map(({ position }) => position)).toEqual(sends.map((_, n) => n + 1));
  });

  it('a send does not get the receipt of another user whose ids have their spaces at other places', async () => {
    // Joined by spaces, both keys are equal: group `a`, user `b0 x`, and group `a b0`, user `x`, in one lane.
    const lane = laneOf(groupConversation('a'), LANES);
    const words = Array.from({ length: 1_000 }, (_, n) => `b${n}`);
    const word = words.find((one) => laneOf(groupConversation(`a ${one}`), LANES) === lane);
    const author = `${word} x`;
    const toGroup = (group: string, clientID: string, members?: string[]): TestSend => ({
      send: {
        kind: members ? 'groupCreated' : 'message',
        ...{ conversation: groupConversation(group), group, clientID, hash: 'h', ...(members && { members }) },
      },
      body: '{}',
    });
    await fixture.users(author, 'x', 'carol');
    await fixture.instance('m1');
    stored(await fixture.send(author, [toGroup('a', 'make', ['carol']), toGroup('a', 'g1')]));
    expect(await fixture.send('x', [toGroup(`a ${word}`, 'g1')])).toMatchObject([{ error: 'notAllowed' }]);
  });
});

describe('a send', () => {
  it('is stored, receipted and published in order and without holes', async () => {
    await fixture.instance('m1');
    const sends = Array.from({ length: 20 }, (_, n) => text('alice', 'bob', `c${n}`, `word ${n}`));
    const receipts = stored(await fixture.send('alice', sends));
    expect(receipts.map((receipt) => receipt.seq)).toEqual(sends.map((_, n) => n + 1));
    const lane = laneOf(pairConversation('alice', 'bob'), LANES);
    const log = await logOf(lane);
    expect(log.positions).toEqual(receipts.map((receipt) => receipt.position));
    await fixture.until(() => fixture.events.length === 20);
    expect(fixture.events.map((one) => one.delivery)).toEqual(log.bodies);
    expect(log.bodies.map((body) => (JSON.parse(body) as { content: { text: string } }).content.text)).toEqual(
      sends.map((_, n) => `word ${n}`),
    );
  });

  it('gets the same receipt when it is repeated, also from another owner', async () => {
    const first = await fixture.instance('m1');
    const [before] = await fixture.send('alice', [text('alice', 'bob', 'c1')]);
    const [again] = await fixture.send('alice', [text('alice', 'bob', 'c1')]);
    expect(again).toEqual(before);
    await first.stop();
    await fixture.instance('m2');
    const [later] = await fixture.send('alice', [text('alice', 'bob', 'c1')]);
    expect(later).toEqual(before);
    const { rows } = await fixture.admin.query('select count(*)::int as n from message.event');
    expect(rows[0]).toEqual({ n: 1 });
    expect(fixture.events).toHaveLength(1);
  });

  it('is stored once when two sessions send one client id at the same time', async () => {
    await fixture.instance('m1');
    const [one, two] = await Promise.all([
      fixture.send('alice', [text('alice', 'bob', 'same')]),
      fixture.send('alice', [text('alice', 'bob', 'same')]),
    ]);
    expect(one).toEqual(two);
    expect(stored(one)[0]?.seq).toBe(1);
  });

  it('is a conflict when its client id has other content; another user may use the client id', async () => {
    await fixture.instance('m1');
    await fixture.send('alice', [text('alice', 'bob', 'c1', 'hello')]);
    expect(await fixture.send('alice', [text('alice', 'bob', 'c1', 'other')])).toMatchObject([{ error: 'conflict' }]);
    expect(stored(await fixture.send('bob', [text('bob', 'alice', 'c1', 'mine')]))[0]?.seq).toBe(2);
  });

  it('is refused and leaves no hole when the recipient does not exist', async () => {
    await fixture.instance('m1');
    expect(await fixture.send('alice', [text('alice', 'nobody', 'c1')])).toMatchObject([{ error: 'notAllowed' }]);
    await fixture.users('nobody');
    expect(stored(await fixture.send('alice', [text('alice', 'nobody', 'c1')]))[0]?.seq).toBe(1);
  });

  it('is not stored when its gateway has a wrong lane count, and the gateway is logged once', async () => {
    const errors: unknown[] = [];
    const log = { ...silentLogger, error: (event: string, fields?: object) => errors.push({ event, ...fields }) };
    await fixture.instance('m1', log);
    const other = await someoneElsewhere();
    // One batch and one lane, as this gateway computes it.
    for (const n of [1, 2]) {
      const receipts = await fixture.send('alice', [text('alice', 'bob', `a${n}`), text('alice', other, `b${n}`)]);
      expect(receipts).toMatchObject([{ error: 'unavailable' }, { error: 'unavailable' }]);
    }
    const { rows } = await fixture.admin.query('select count(*)::int as n from message.event');
    expect(rows[0]).toEqual({ n: 0 });
    expect(errors).toMatchObject([{ event: 'send.wrong-lane', gateway: 'gateway-of-the-test' }]);
    expect(stored(await fixture.send('alice', [text('alice', 'bob', 'a1')]))[0]?.seq).toBe(1);
  });

  it('is the only one refused when PostgreSQL rejects its content', async () => {
    await fixture.instance('m1');
    const poison: TestSend = { ...text('alice', 'bob', 'c2'), body: '{"content":"\u0000"}' };
    const receipts = await fixture.send('alice', [text('alice', 'bob', 'c1'), poison, text('alice', 'bob', 'c3')]);
    expect(receipts).toMatchObject([{ seq: 1 }, { error: 'badField' }, { seq: 2 }]);
  });
});

describe('a group', () => {
  const group = (members: string[]): TestSend => ({
    send: {
      kind: 'groupCreated',
      ...{ conversation: groupConversation('g1'), group: 'g1', clientID: 'make', hash: 'h', members },
    },
    body: '{"messageType":"normal","contenType":"tip"}',
  });
  const say = (clientID: string): TestSend => ({
    send: { kind: 'message', conversation: groupConversation('g1'), group: 'g1', clientID, hash: 'h' },
    body: '{"messageType":"normal"}',
  });

  it('starts with a tip and accepts messages of its members only', async () => {
    await fixture.instance('m1');
    await fixture.users('dave');
    expect(await fixture.send('alice', [say('early')])).toMatchObject([{ error: 'notAllowed' }]);
    expect(stored(await fixture.send('alice', [group(['bob', 'carol'])]))[0]?.seq).toBe(1);
    expect(stored(await fixture.send('bob', [say('b1')]))[0]?.seq).toBe(2);
    expect(await fixture.send('dave', [say('d1')])).toMatchObject([{ error: 'notAllowed' }]);
    const lane = laneOf(groupConversation('g1'), LANES);
    const { head } = await fixture.request<LogReply>(subjects.log, { op: 'range', lane, from: 1, limit: 10 });
    expect(new Set(head.events?.[0]?.change?.joined)).toEqual(new Set(['alice', 'bob', 'carol']));
    expect(head.events?.[1]).not.toHaveProperty('change');
  });

  it('is not created when one of its members does not exist', async () => {
    await fixture.instance('m1');
    expect(await fixture.send('alice', [group(['bob', 'ghost'])])).toMatchObject([{ error: 'notAllowed' }]);
    expect(await fixture.send('alice', [say('x')])).toMatchObject([{ error: 'notAllowed' }]);
  });

  it('shows its history to members only', async () => {
    await fixture.instance('m1');
    await fixture.send('alice', [group(['bob'])]);
    await fixture.send('alice', [say('a1'), say('a2')]);
    const ask = (user: string) =>
      fixture.request<HistoryReply>(subjects.history, { user, conversation: groupConversation('g1'), limit: 2 });
    const page = await ask('bob');
    expect(page.head).toEqual({ hasMore: true });
    expect(page.bodies.map((body) => (JSON.parse(body) as { seq: number }).seq)).toEqual([2, 3]);
    expect((await ask('carol')).head).toMatchObject({ error: 'notAllowed' });
  });
});

describe('history', () => {
  it('is paged by seq in both directions', async () => {
    await fixture.instance('m1');
    await fixture.send(
      'alice',
      Array.from({ length: 7 }, (_, n) => text('alice', 'bob', `c${n}`)),
    );
    const ask = async (bounds: object): Promise<[number[], boolean]> => {
      const conversation = pairConversation('alice', 'bob');
      const request = { user: 'bob', to: 'alice', conversation, limit: 3, ...bounds };
      const { head, bodies } = await fixture.request<HistoryReply>(subjects.history, request);
      return [bodies.map((body) => (JSON.parse(body) as { seq: number }).seq), head.hasMore];
    };
    expect(await ask({})).toEqual([[5, 6, 7], true]);
    expect(await ask({ beforeSeq: 3 })).toEqual([[1, 2], false]);
    expect(await ask({ afterSeq: 0 })).toEqual([[1, 2, 3], true]);
    expect(await ask({ afterSeq: 5 })).toEqual([[6, 7], false]);
  });
});

describe('owners', () => {
  it('share the lanes evenly and hand them over under load without a hole, a duplicate or a reordering', async () => {
    const first = await fixture.instance('m1');
    const users = Array.from({ length: 12 }, (_, n) => `u${n}`);
    await fixture.users(...users);
    let going = true;
    const senders = users.map(async (user) => {
      const session = fixture.newSession();
      const seqs: number[] = [];
      for (let n = 0; going; n++) {
        const receipts = await fixture.send(user, [text(user, 'bob', `c${n}`)], session);
        seqs.push(...stored(receipts).map((receipt) => receipt.seq));
      }
      return seqs;
    });
    const second = await fixture.instance('m2');
    await fixture.until(() => [...second.commitLoop.keeper.heldLanes()].length === LANES / 2);
    expect([...first.commitLoop.keeper.heldLanes()]).toHaveLength(LANES / 2);
    await first.stop();
    await fixture.until(() => [...second.commitLoop.keeper.heldLanes()].length === LANES);
    going = false;
    for (const seqs of await Promise.all(senders)) expect(seqs).toEqual(seqs.map((_, n) => n + 1));
    for (let lane = 0; lane < LANES; lane++) {
      const { positions } = await logOf(lane);
      expect(positions).toEqual(positions.map((_, n) => n + 1));
    }
  });

  it('write nothing and answer nothing when they have lost their lane', async () => {
    const first = await fixture.instance('m1');
    await fixture.send('alice', [text('alice', 'bob', 'c1')]);
    const lane = laneOf(pairConversation('alice', 'bob'), LANES);
    // As if another instance had taken the lane while this one was frozen.
    await fixture.admin.query(
      `update message.lane set epoch = epoch + 1, owner = 'other', lease_until = now() + interval '2 s' where lane = $1`,
      [lane],
    );
    const session = fixture.newSession();
    fixture.publish('alice', [text('alice', 'bob', 'c2')], session, fixture.newBatch());
    await fixture.until(() => first.commitLoop.keeper.held(lane) === undefined);
    expect(fixture.answers.filter((answer) => answer.session === session)).toEqual([]);
    expect((await logOf(lane)).positions).toEqual([1]);
    // The lease of the other instance expires, m1 takes the lane again, and the batch is settled.
    expect(stored(await fixture.send('alice', [text('alice', 'bob', 'c2')], session))[0]?.seq).toBe(2);
  });
});

it('a send of a lane lost with the database is answered at once, and one of another lane is stored', async () => {
  const { commitLoop } = await fixture.instance('m1');
  const other = await someoneElsewhere();
  const sends = [text('alice', 'bob', 'c1'), text('alice', other, 'c1')];
  const sessions = sends.map(({ send }) => ({
    ...{ session: fixture.newSession(), lane: laneOf(send.conversation, LANES), batch: 1 },
    ...{ user: 'alice', device: 'phone', sends: [send] },
  }));
  // Until the commit no lane can be taken again.
  await fixture.admin.query('begin');
  await fixture.admin.query('lock table message.instance in access exclusive mode');
  commitLoop.keeper.forget([laneOfPair('alice', 'bob')], 'database');
  const head: SendBatch = { gateway: GATEWAY, sessions };
  const bodies = sends.map(({ body }) => body);
  fixture.bus.publish(subjects.sendTo('m1'), encodeLines(head, bodies));
  const answersTo = (index: number) => fixture.answers.filter(({ session }) => session === sessions[index]?.session);
  await fixture.until(() => answersTo(0).length > 0);
  await fixture.admin.query('commit');
  await fixture.until(() => answersTo(1).length > 0);
  expect(answersTo(0)).toMatchObject([{ receipts: [{ error: 'unavailable' }] }]);
  expect(answersTo(1)).toMatchObject([{ receipts: [{ seq: 1 }] }]);
});

describe('when a commit fails', () => {
  beforeEach(() => enableFailpoints());

  it('an unknown outcome is looked up before the send is answered', async () => {
    await fixture.instance('m1');
    armFailpoints('database.commit-answer-lost=error@1x1');
    const [receipt] = stored(await fixture.send('alice', [text('alice', 'bob', 'c1')]));
    expect(receipt?.seq).toBe(1);
    const { rows } = await fixture.admin.query('select count(*)::int as n from message.event');
    expect(rows[0]).toEqual({ n: 1 });
  });

  it('a failure before the commit is temporary, and a resend gets the same seq', async () => {
    await fixture.instance('m1');
    armFailpoints('message.before-commit=error@1x1');
    expect(await fixture.send('alice', [text('alice', 'bob', 'c1')])).toMatchObject([{ error: 'unavailable' }]);
    expect(stored(await fixture.send('alice', [text('alice', 'bob', 'c1')]))[0]?.seq).toBe(1);
    disarmFailpoints();
  });

  it('sends are answered at once while the database is gone, and no acknowledged message is lost', async () => {
    const first = await fixture.instance('m1');
    await fixture.send('alice', [text('alice', 'bob', 'c1')]);
    await fixture.admin.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'm1%' and datname = current_database() and pid <> pg_backend_pid()`,
    );
    const receipts = await fixture.send('alice', [text('alice', 'bob', 'c2')]);
    const [again] = 'error' in receipts[0]! ? await fixture.send('alice', [text('alice', 'bob', 'c2')]) : receipts;
    await fixture.until(() => first.commitLoop.keeper.status() === 'ok');
    expect(
      again === undefined || 'error' in again ? await fixture.send('alice', [text('alice', 'bob', 'c2')]) : [again],
    ).toMatchObject([{ seq: 2 }]);
  });
});
