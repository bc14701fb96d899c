import { HuizhiClient, type Address, type ClientOptions, type Mode, type OfflineBatch } from '@huizhi/client';
import { eventually } from '@huizhi/dev-env';
import type { Delivery } from '@huizhi/protocol';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { WebSocket } from 'ws';
import { named } from './support/senders.js';
import { TestCluster } from './support/test-cluster.js';

let cluster: TestCluster;
const clients: HuizhiClient[] = [];

beforeAll(async () => {
  cluster = await TestCluster.start({ throughProxy: ['gateway.client'] });
}, 120_000);

afterEach(() => Promise.all(clients.splice(0).map((client) => client.close())));

afterAll(() => cluster?.stop(), 60_000);

/** A client with the events that it reported. */
interface Person {
  client: HuizhiClient;
  messages: Delivery[];
  batches: OfflineBatch[];
  confirmed: number;
  closes: [number, string, boolean][];
}

function person(user: string, mode: Mode, options: Partial<ClientOptions> = {}): Person {
  const address: Address = { ...cluster.system.address, mode };
  const reconnect = { baseMs: 20, maxMs: 200 };
  const token = (): Promise<string> => cluster.system.token(user);
  const client = new HuizhiClient({ address, user, deviceID: 'd', token, timings: { reconnect }, ...options });
  clients.push(client);
  const person: Person = { client, messages: [], batches: [], confirmed: 0, closes: [] };
  client.on('message', (message) => person.messages.push(message));
  client.on('batch', (batch) => person.batches.push(batch));
  client.on('confirmed', (inboxSeq) => (person.confirmed = inboxSeq));
  client.on('closed', (...end) => person.closes.push(end));
  return person;
}

const textsOf = ({ messages }: Person): unknown[] => messages.map(({ content }) => content.text);

/** Sends all texts and waits for every receipt. */
async function say(from: Person, to: string, texts: string[]): Promise<number[]> {
  const sends = texts.map((text) => from.client.sendText({ user: to }, text));
  return (await Promise.all(sends.map(({ receipt }) => receipt))).map(({ seq }) => seq);
}

/** Waits until this many messages were reported and confirmed, then compares them with `texts`. */
async function heard(who: Person, texts: string[]): Promise<void> {
  await holds(`${texts.length} confirmed messages`, () => {
    const last = who.messages.at(-1)?.inboxSeq ?? 0;
    return who.messages.length >= texts.length && who.confirmed >= last;
  });
  expect(textsOf(who)).toEqual(texts);
}

const holds = (what: string, condition: () => boolean): Promise<true> => eventually(what, condition);

describe.each<Mode>(['lines', 'frames', 'websocket'])('over %s', (mode) => {
  test('exchanges messages with a device on JSON lines, live, in batches and in the history', async () => {
    const [alice, bob] = [cluster.name('alice'), cluster.name('bob')];
    const [a, b] = [person(alice, mode), person(bob, 'lines')];
    await Promise.all([a.client.connect(), b.client.connect()]);
    expect(await say(a, bob, named('回执 👋', 50))).toEqual(Array.from({ length: 50 }, (_, n) => n + 1));
    await heard(b, named('回执 👋', 50));
    await say(b, alice, named('b', 50));
    await heard(a, named('b', 50));

    await a.client.close();
    await say(b, alice, named('c', 30));
    await cluster.inboxHolds(alice, Number(a.messages.at(-1)?.inboxSeq) + 30);
    const again = person(alice, mode);
    await again.client.connect();
    await heard(again, named('c', 30));
    expect(again.batches.flatMap(({ entries }) => entries)).toHaveLength(30);

    const { messages } = await again.client.history({ user: bob }, { limit: 200 });
    expect(messages.map(({ seq }) => seq)).toEqual(Array.from({ length: 130 }, (_, n) => n + 1));
    const refused = again.client.sendText({ user: 'nobody-of-that-name' }, 'lost');
    await expect(refused.receipt).rejects.toMatchObject({ name: 'SendRefusedError', error: 'notAllowed' });
  });

  test('continues after a cut without lost or duplicated messages', async () => {
    const [alice, bob] = [cluster.name('alice'), cluster.name('bob')];
    const [a, b] = [person(alice, mode), person(bob, mode)];
    await Promise.all([a.client.connect(), b.client.connect()]);
    const both = Promise.all([say(a, bob, named('a', 200)), say(b, alice, named('b', 200))]);
    await holds('some to arrive', () => a.messages.length > 5);
    cluster.system.proxy('gateway.client').reset();
    const seqs = await both;
    expect(seqs.flat().sort((one, other) => one - other)).toEqual(Array.from({ length: 400 }, (_, n) => n + 1));
    await heard(a, named('b', 200));
    await heard(b, named('a', 200));
    expect(a.closes).toEqual([[0, 'connectionLost', true]]);
  });

  test('closes its older connection as kicked when the device logs in again', async () => {
    const alice = cluster.name('alice');
    const [first, second] = [person(alice, mode), person(alice, mode)];
    await first.client.connect();
    await second.client.connect();
    await holds('the end', () => first.client.state === 'closed');
    expect(first.closes).toEqual([[4500, 'kicked', false]]);
    expect(second.client.state).toBe('online');
  });

  test('is refused with a named error when its token is invalid', async () => {
    const { client } = person(cluster.name('alice'), mode, { token: () => 'forged' });
    await expect(client.connect()).rejects.toMatchObject({ name: 'LoginRefusedError', error: 'badToken' });
  });
});

test('the gateway refuses the upgrade of a WebSocket from a foreign origin', async () => {
  const { host, port, ca } = cluster.system.address;
  const status = await new Promise<number | undefined>((resolve, reject) => {
    const socket = new WebSocket(`wss://${host}:${port}/`, 'huizhi', { ca, origin: 'https://foreign.example' });
    socket.on('error', reject).on('open', () => reject(new Error('it was let in')));
    socket.on('unexpected-response', (_request, { statusCode }) => {
      socket.off('error', reject).on('error', () => undefined);
      socket.terminate();
      resolve(statusCode);
    });
  });
  expect(status).toBe(403);
});
