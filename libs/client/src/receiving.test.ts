import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Delivery } from '@huizhi/protocol/client';
import type { HuizhiClient } from './node.js';
import { MemoryStore } from './memory-store.js';
import { delivery } from './testing/fake-server.js';
import { gate, Harness, until } from './testing/harness.js';

let harness: Harness;

beforeEach(async () => {
  harness = await Harness.start();
});

afterEach(() => harness.stop());

function collect(client: HuizhiClient): Delivery[] {
  const messages: Delivery[] = [];
  client.on('message', (message) => messages.push(message));
  return messages;
}

const seqs = (messages: Delivery[]): number[] => messages.map(({ seq }) => seq);

/** A store that awaits a promise of the test before each save. */
class ScriptedStore extends MemoryStore {
  saves = 0;

  constructor(private readonly before: (save: number) => Promise<void>) {
    super();
  }

  override saveMessages(deliveries: readonly Delivery[]): Delivery[] {
    // The client awaits the promise; the type of the base class is narrower than the interface.
    return this.before(++this.saves).then(() => super.saveMessages(deliveries)) as unknown as Delivery[];
  }
}

test('the client emits live messages and batches once, in order, and receipts them together', async () => {
  const [client, peer] = await harness.online({ timings: { receiptMs: 30 } });
  const messages = collect(client);
  const batches: number[][] = [];
  client.on('batch', ({ entries }) => batches.push(seqs(entries)));
  peer.send([delivery(1), delivery(2), delivery(3)]);
  peer.send(delivery(4));
  expect(await peer.nextOf('receipt')).toEqual({ messageType: 'receipt', upTo: 4 });
  expect(seqs(messages)).toEqual([1, 2, 3, 4]);
  expect(batches).toEqual([[1, 2, 3]]);
});

test('the client receipts a redelivered message again, but does not emit it again', async () => {
  const [client, peer] = await harness.online({ timings: { confirmMs: 60_000 } });
  const messages = collect(client);
  peer.send(delivery(1));
  expect(await peer.nextOf('receipt')).toMatchObject({ upTo: 1 });
  const fresh: number[] = [];
  client.on('batch', (batch) => fresh.push(batch.fresh.length));
  peer.send([delivery(1)]);
  expect(await peer.nextOf('receipt')).toMatchObject({ upTo: 1 });
  expect(seqs(messages)).toEqual([1]);
  expect(fresh).toEqual([0]);
});

test('the client receipts stored unconfirmed messages after a reconnect, but does not emit them', async () => {
  const [client, first] = await harness.online();
  const messages = collect(client);
  first.send(delivery(1));
  await first.nextOf('receipt');
  first.cut();
  const second = await harness.server.loggedIn();
  second.send([delivery(1), delivery(2)]);
  expect(await second.nextOf('receipt')).toMatchObject({ upTo: 2 });
  expect(seqs(messages)).toEqual([1, 2]);
});

test('the client ends the connection at a gap, and neither emits nor receipts the entries after it', async () => {
  const [client, first] = await harness.online();
  const messages = collect(client);
  first.send(delivery(1));
  first.send(delivery(3));
  await first.closed;
  expect(seqs(messages)).toEqual([1]);
  const second = await harness.server.loggedIn({ inboxSeq: 1 });
  second.send([delivery(2), delivery(3)]);
  expect(await second.nextOf('receipt')).toMatchObject({ upTo: 3 });
  expect(seqs(messages)).toEqual([1, 2, 3]);
  expect(first.seen.filter(({ upTo }) => Number(upTo) > 1)).toEqual([]);
});

test('the client accepts an entry whose predecessor is below the last inboxSeq', async () => {
  const [client, peer] = await harness.online({}, { inboxSeq: 10 });
  const messages = collect(client);
  peer.send(delivery(14, { prevInboxSeq: 8 }));
  peer.send(delivery(20, { prevInboxSeq: 14 }));
  await until('both', () => messages.length === 2);
});

test('the client receipts a message only after the store has it', async () => {
  const { opened, open } = gate();
  const store = new ScriptedStore(() => opened);
  const [client, peer] = await harness.online({ store });
  const messages = collect(client);
  peer.send(delivery(1));
  await until('a call of the store', () => store.saves === 1);
  const page = client.history({ user: 'bob' }).catch(() => undefined);
  await peer.nextOf('history');
  expect(peer.seen.filter(({ messageType }) => messageType === 'receipt')).toEqual([]);
  expect(messages).toEqual([]);
  open();
  expect(await peer.nextOf('receipt')).toMatchObject({ upTo: 1 });
  expect(seqs(messages)).toEqual([1]);
  await client.close();
  await page;
});

test('the client reconnects when the store fails, and the server delivers again', async () => {
  const store = new ScriptedStore((save) => (save === 1 ? Promise.reject(new Error('disk full')) : Promise.resolve()));
  const [client, first] = await harness.online({ store });
  const messages = collect(client);
  const errors: string[] = [];
  client.on('error', (error) => errors.push(error.message));
  first.send(delivery(1));
  await first.closed;
  const second = await harness.server.loggedIn();
  second.send([delivery(1)]);
  expect(await second.nextOf('receipt')).toMatchObject({ upTo: 1 });
  expect(errors).toEqual(['disk full']);
  expect(seqs(messages)).toEqual([1]);
  expect(first.seen.some(({ messageType }) => messageType === 'receipt')).toBe(false);
});

test('the client emits a store error of an ended connection and keeps the next connection', async () => {
  const { opened, open } = gate();
  const store = new ScriptedStore((save) =>
    save === 1 ? opened.then(() => Promise.reject(new Error('disk full'))) : Promise.resolve(),
  );
  const [client, first] = await harness.online({ store });
  const errors: string[] = [];
  client.on('error', (error) => errors.push(error.message));
  first.send(delivery(1));
  await until('a call of the store', () => store.saves === 1);
  first.cut();
  const second = await harness.server.peer();
  open();
  await until('the error', () => errors.length === 1);
  await second.login();
  second.send([delivery(1)]);
  expect(await second.nextOf('receipt')).toMatchObject({ upTo: 1 });
  expect(errors).toEqual(['disk full']);
  expect(harness.server.connections).toBe(2);
});

test('the client does not receipt an entry of an ended connection before it is redelivered', async () => {
  const { opened, open } = gate();
  const store = new ScriptedStore((save) => (save === 1 ? opened : Promise.resolve()));
  const [client, first] = await harness.online({ store, timings: { receiptMs: 60_000 } });
  const messages = collect(client);
  first.send(delivery(1));
  await until('a call of the store', () => store.saves === 1);
  first.cut();
  const second = await harness.server.loggedIn();
  await until('online', () => client.state === 'online');
  open();
  await until('the message', () => messages.length === 1);
  // close() sends pending receipts; there must be none.
  await client.close();
  await second.closed;
  expect(second.seen.map(({ messageType }) => messageType)).toEqual(['login']);
});

test('the client repeats a receipt until it is confirmed', async () => {
  const store = new MemoryStore();
  const [client, peer] = await harness.online({ store, timings: { confirmMs: 20 } });
  const confirmed: number[] = [];
  client.on('confirmed', (inboxSeq) => confirmed.push(inboxSeq));
  peer.send(delivery(1));
  for (let i = 0; i < 3; i++) expect(await peer.nextOf('receipt')).toMatchObject({ upTo: 1 });
  peer.send({ messageType: 'receiptConfirm', inboxSeq: 1 });
  await until('the confirmation', () => confirmed.length === 1 && store.cursor === 1);
  expect(confirmed).toEqual([1]);
});

test('the client sends no held receipts, not even when closed, and still emits messages', async () => {
  const [client, first] = await harness.online();
  const messages = collect(client);
  client.holdReceipts();
  expect(client.holdsReceipts).toBe(true);
  first.send(delivery(1));
  first.send(delivery(2, { inboxSeq: undefined }));
  await until('the messages', () => messages.length === 2);
  // Frames are sent in order, so a receipt would arrive before this request.
  const page = client.history({ user: 'bob' }).catch(() => undefined);
  await first.nextOf('history');
  await client.close();
  await Promise.all([page, first.closed]);
  expect(first.seen.filter(({ messageType }) => messageType === 'receipt')).toEqual([]);
});

test('the client sends held receipts when the hold ends', async () => {
  const [client, peer] = await harness.online();
  const messages = collect(client);
  client.holdReceipts();
  peer.send([delivery(1), delivery(2)]);
  await until('the messages', () => messages.length === 2);
  client.releaseReceipts();
  expect(client.holdsReceipts).toBe(false);
  expect(await peer.nextOf('receipt')).toEqual({ messageType: 'receipt', upTo: 2 });
  peer.send(delivery(3));
  expect(await peer.nextOf('receipt')).toEqual({ messageType: 'receipt', upTo: 3 });
});

test('the client passes every frame to the wire observer in order, with the token of the login masked', async () => {
  const frames: string[] = [];
  const [client, peer] = await harness.online({
    token: 'a-secret',
    wire: ({ direction, json }) => {
      frames.push(`${direction} ${json}`);
      throw new Error('an error of the observer');
    },
  });
  const { receipt } = client.sendText({ user: 'bob' }, 'my "token" is here');
  peer.accept(await peer.nextOf('normal'), 1);
  await receipt;
  expect(frames.map((frame) => frame.split(' ', 1)[0])).toEqual(['sent', 'received', 'sent', 'received']);
  expect(frames[0]).toContain('"token":"***"');
  expect(frames[2]).toContain('my \\"token\\" is here');
  expect(frames.join()).not.toContain('a-secret');
});

test('the client receipts an entry without inboxSeq by its messageID', async () => {
  const [, peer] = await harness.online();
  peer.send(delivery(1, { inboxSeq: undefined, messageID: '4096' }));
  expect(await peer.nextOf('receipt')).toEqual({ messageType: 'receipt', messageIDs: ['4096'] });
});

test('the client ends the connection when the inbox exceeds its bound', async () => {
  const { opened, open } = gate();
  const store = new ScriptedStore(() => opened);
  const [client, peer] = await harness.online({ store, bounds: { inbox: 3 } });
  const errors: string[] = [];
  client.on('error', (error) => errors.push(error.message));
  peer.send(delivery(1));
  await until('a call of the store', () => store.saves === 1);
  peer.send([delivery(2), delivery(3), delivery(4), delivery(5)]);
  await peer.closed;
  expect(errors).toEqual(['more than 3 deliveries wait for the store']);
  open();
  await harness.server.loggedIn();
});

test('the client reads frames that arrive in pieces of one byte', async () => {
  const [client, peer] = await harness.online();
  const messages = collect(client);
  const bytes = new TextEncoder().encode(`${JSON.stringify(delivery(1, { content: { text: '回执 👋' } }))}\r\n\n`);
  for (const byte of bytes) peer.sendBytes(Uint8Array.of(byte));
  await peer.nextOf('receipt');
  expect(messages[0]?.content).toEqual({ text: '回执 👋' });
});
