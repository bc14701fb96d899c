import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually, TcpProxy } from '@huizhi/dev-env';
import {
  decodeLines,
  MAX_BUS_BYTES,
  pairConversation,
  subjects,
  type HistoryReply,
  type LogReply,
} from '@huizhi/protocol';
import { Bus, deferred, silentLogger } from '@huizhi/runtime';
import { DedicatedConnection } from '@huizhi/database';
import { SCHEMA } from '../database.js';
import { readHistory, readPlaces, readRange } from '../sql/read-log.js';
import { MessageFixture } from '../testing/message-fixture.js';
import { HistoryQueryHandler } from './history-queries.js';
import { LogQueryHandler } from './log-queries.js';

const BODY_BYTES = 60_000;
const EVENTS = 20;
/** Number of bodies that one bus message holds. */
const FITTING = Math.floor(MAX_BUS_BYTES / BODY_BYTES);

let fixture: MessageFixture;
let bus: Bus;
let connection: DedicatedConnection;
let time = 0;
/** Called when the handler reads the clock. */
let looked = (): void => undefined;
beforeEach(async () => {
  fixture = await MessageFixture.start();
  bus = Bus.connect({ url: fixture.nats.url(), name: 'r1', log: silentLogger });
  await bus.ready();
  connection = new DedicatedConnection({ url: fixture.url, schema: SCHEMA, applicationName: 'r1' });
  new LogQueryHandler(bus, connection, silentLogger, () => {
    looked();
    return time;
  }).listen();
  new HistoryQueryHandler(bus, connection, silentLogger).listen();
  await fixture.admin.query(
    `insert into message.event
       (lane, position, conversation_id, seq, server_time, user_id, device_id, client_id, hash, kind, body)
     select 1, n, 'c', n, 0, 'alice', 'phone', n, 'h', 1, format('{"content":"%s"}', repeat('x', $1::int - 14))
       from generate_series(1, $2::int) as n`,
    [BODY_BYTES, EVENTS],
  );
  await fixture.admin.query(`insert into message.member values ('c', 'alice', 1, null)`);
});
afterEach(async () => {
  looked = () => undefined;
  await connection.close();
  await bus.drain();
  await fixture.stop();
});

const seqsOf = (bodies: readonly string[]): number[] => bodies.map((body) => (JSON.parse(body) as { seq: number }).seq);
const upTo = (last: number): number[] => Array.from({ length: last }, (_, n) => n + 1);

describe('with large messages', () => {
  it('a read returns one row more than fits in a bus message, however many are requested', async () => {
    const range = await connection.exclusive((client) => readRange(client, 1, 3, 500));
    expect(range.map(({ event }) => event.position)).toEqual(upTo(FITTING + 1).map((n) => n + 2));
    const places = upTo(EVENTS).map((n): [number, number] => [1, EVENTS - n + 1]);
    const bodies = await connection.exclusive((client) => readPlaces(client, places));
    expect(seqsOf(bodies)).toEqual(upTo(FITTING + 1).map((n) => EVENTS - n + 1));
    const query = { conversation: 'c', member: null, after: 0, before: EVENTS, newest: true, limit: 200 };
    const page = await connection.exclusive((client) => readHistory(client, query));
    expect(seqsOf(page)).toEqual(upTo(FITTING + 1).map((n) => EVENTS - FITTING - 2 + n));
  });

  it('a range is answered completely, in as many pages as it needs', async () => {
    const found: number[] = [];
    let answers = 0;
    for (; found.length < EVENTS; answers++) {
      const request = { op: 'range', lane: 1, from: found.length + 1, limit: 500 };
      found.push(...seqsOf((await fixture.request<LogReply>(subjects.log, request)).bodies));
    }
    expect(found).toEqual(upTo(EVENTS));
    expect(answers).toBe(Math.ceil(EVENTS / FITTING));
  });

  it('a page of history reports that there are more messages', async () => {
    const request = { user: 'alice', conversation: 'c', afterSeq: 0, limit: 200 };
    const { head, bodies } = await fixture.request<HistoryReply>(subjects.history, request);
    expect(seqsOf(bodies)).toEqual(upTo(FITTING));
    expect(head.hasMore).toBe(true);
  });
});

it('the log answers places in their order, with an empty body where nothing is stored', async () => {
  const places = [
    [1, 2],
    [2, 1],
    [1, 1],
    [1, 2],
    [1, EVENTS + 1],
  ];
  const { head, bodies } = await fixture.request<LogReply>(subjects.log, { op: 'get', places });
  expect(head).toEqual({ count: 5 });
  expect(bodies.map((body) => (body === '' ? 0 : seqsOf([body])[0]))).toEqual([2, 0, 1, 2, 0]);
});

describe('with the longest ids', () => {
  const COUNT = 1_000;
  const longest = (first: string): string => first + '😀'.repeat(254);

  it('a range is answered in as many bus messages as it needs', async () => {
    await fixture.admin.query(
      `insert into message.event
         (lane, position, conversation_id, seq, server_time, user_id, device_id, client_id, hash, peer, kind, body)
       select 2, n, 'd', n, 0, $1, $2, n, 'h', $3, 1, '{"content":{}}' from generate_series(1, $4::int) as n`,
      [longest('a'), longest('d'), longest('b'), COUNT],
    );
    const found: number[] = [];
    while (found.length < COUNT) {
      const request = { op: 'range', lane: 2, from: found.length + 1, limit: 1_000 };
      const { head } = await fixture.request<LogReply>(subjects.log, request);
      expect(head.error).toBeUndefined();
      expect(head.events?.at(0)).toMatchObject({ user: longest('a'), pair: [longest('a'), longest('b')] });
      found.push(...(head.events ?? []).map(({ position }) => position));
    }
    expect(found).toEqual(upTo(COUNT));
  });
});

describe('a page of a pair', () => {
  const page = async (user: string, to: string): Promise<HistoryReply> => {
    const request = { user, to, conversation: pairConversation(user, to), limit: 10 };
    return (await fixture.request<HistoryReply>(subjects.history, request)).head;
  };

  it('is empty when the other user exists and no message was sent', async () => {
    await fixture.users('alice', 'bob', '张三');
    expect(await page('alice', 'bob')).toEqual({ hasMore: false });
    expect(await page('alice', 'alice')).toEqual({ hasMore: false });
    expect(await page('alice', '张三')).toEqual({ hasMore: false });
  });

  it('is refused like a conversation of other users when the other user does not exist', async () => {
    await fixture.users('alice', 'bob');
    const refused = { error: 'notAllowed', hasMore: false };
    for (const nobody of ['nobody', 'bob ', 'Bob', 'BOB', 'b\u0301ob'])
      expect(await page('alice', nobody)).toEqual(refused);
    const others = { user: 'mallory', conversation: 'c', limit: 10 };
    expect((await fixture.request<HistoryReply>(subjects.history, others)).head).toEqual(refused);
  });
});

it('a first message larger than a bus message is answered alone', async () => {
  await fixture.admin.query(`update message.event set body = '"' || repeat('x', $1) || '"' where position = 1`, [
    MAX_BUS_BYTES,
  ]);
  const { head } = await fixture.request<LogReply>(subjects.log, { op: 'range', lane: 1, from: 1, limit: 500 });
  expect(head.events?.map((event) => event.position)).toEqual([1]);
});

it('a request is skipped when it has waited longer than the timeout of its caller', async () => {
  const ask = (from: number) =>
    fixture.bus.request(subjects.log, JSON.stringify({ op: 'range', lane: 1, from, limit: 1 }), { timeoutMs: 10_000 });
  const busy = deferred();
  void connection.exclusive(() => busy.promise);
  const heard = deferred();
  looked = () => heard.resolve();
  let answered = false;
  ask(1).then(
    () => (answered = true),
    () => undefined,
  );
  await heard.promise;
  time += 2_001;
  const later = ask(2);
  busy.resolve();
  const { head } = decodeLines<LogReply>(await later);
  expect(head.events?.map((event) => event.position)).toEqual([2]);
  // Answers come in the order of the requests.
  expect(answered).toBe(false);
});

it('a handler leaves requests to the others while its connection is down, and answers again afterwards', async () => {
  const direct = new URL(fixture.url);
  const proxy = await TcpProxy.start({ target: { host: direct.hostname, port: Number(direct.port) } });
  const url = new URL(fixture.url);
  url.host = `${proxy.host}:${proxy.port}`;
  const other = Bus.connect({ url: fixture.nats.url(), name: 'r2', log: silentLogger });
  await other.ready();
  let answered = 0;
  const respond = other.respond.bind(other);
  other.respond = (...answer) => {
    answered += 1;
    return respond(...answer);
  };
  const broken = new DedicatedConnection({ url: url.href, schema: SCHEMA, applicationName: 'r2' });
  new LogQueryHandler(other, broken, silentLogger).listen();
  const ask = async (): Promise<LogReply> =>
    (await fixture.request<LogReply>(subjects.log, { op: 'range', lane: 1, from: 1, limit: 1 })).head;
  const answers = async (): Promise<boolean> => (await ask()).error === undefined;

  await eventually('the other to answer', async () => (await answers()) && answered > 0);
  await proxy.cut();
  await eventually('the other to fail', async () => !(await answers()));
  const before = answered;
  for (let n = 0; n < 40; n++) expect(await answers()).toBe(true);
  expect(answered).toBe(before);
  await proxy.heal();
  await eventually('the other to answer again', async () => (await answers()) && answered > before);
  await broken.close();
  await other.drain();
  await proxy.stop();
});
