import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import pg from 'pg';
import type { Device } from './support/device.js';
import { expectLedger, expectWholeInbox, idsOf, sendTexts, type Receipts } from './support/ledger.js';
import { TestCluster } from './support/test-cluster.js';

jest.setTimeout(60_000);

const WINDOW = 20;
const BATCH = 5;
/**
 * The number of a gateway that redelivers after a second. The others do not redeliver, because tests count deliveries.
 */
const HASTY = 2;
let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start({
    instances: { gateway: 2, message: 2, offline: 2 },
    throughProxy: ['gateway.client'],
    env: {
      gateway: {
        HZ_WINDOW: String(WINDOW),
        HZ_BATCH_ENTRIES: String(BATCH),
        HZ_FRAMES_PER_SECOND: '10000',
        HZ_REDELIVER_AFTER: '1h',
        HZ_REDELIVER_MAX: '1h',
        HZ_RECEIPT_OVERDUE: '1h',
        HZ_CURSOR_REPEAT: '300ms',
      },
    },
  });
  await cluster.system.add('gateway', { HZ_REDELIVER_AFTER: '1s', HZ_REDELIVER_MAX: '1s', HZ_RECEIPT_OVERDUE: '5s' });
}, 120_000);
afterAll(() => cluster?.stop(), 60_000);

/** Two new users; the recipient is not connected. The sender uses the second gateway, not the proxy of the first. */
async function pair(): Promise<{ alice: Device; bob: string }> {
  const bob = cluster.name('bob');
  await register(bob);
  return { alice: await cluster.device(cluster.name('alice'), 'phone', { gateway: 1 }), bob };
}

/** Creates a user without a login. */
async function register(user: string): Promise<void> {
  const client = new pg.Client({ connectionString: cluster.system.databaseUrl('message') });
  await client.connect();
  await client.query('insert into message.users (user_id) values ($1)', [user]);
  await client.end();
}

const silent = { receipts: false };
const hasty = { receipts: false, gateway: HASTY };

/** Sends a receipt and returns the confirmed cursor. No other receipt may be unconfirmed. */
async function confirmed(device: Device, fields: Parameters<Device['receipt']>[0]): Promise<number> {
  device.receipt(fields);
  return Number((await device.next({ messageType: 'receiptConfirm' })).inboxSeq);
}

/** Waits until unreceipted entries would be redelivered, as a second device that never receipts shows. */
async function redeliveryTime(): Promise<void> {
  const { alice, bob } = await pair();
  const clock = await cluster.device(bob, 'phone', hasty);
  await sendTexts(alice, bob, 1);
  await clock.until('two redeliveries', () => clock.seen.length >= 3);
  await Promise.all([clock.drop(), alice.drop()]);
}

/** Receives the pending entries on a new connection and checks that none remain. */
async function takeRest(user: string, deviceID: string, before: Device[], receipts: Receipts): Promise<Device> {
  const last = await cluster.device(user, deviceID, { gateway: 1 });
  const head = Number(last.find({ messageType: 'loginReceipt' })?.head);
  const { inboxSeq } = last.find({ messageType: 'loginReceipt' }) ?? {};
  if (Number(inboxSeq) < head) await last.confirmed(head);
  expectLedger([...before, last], idsOf(receipts));
  const after = await cluster.device(user, deviceID);
  expect(after.find({ messageType: 'loginReceipt' })).toMatchObject({ inboxSeq: head, head, waiting: 0 });
  await after.drop();
  expect(after.seen).toEqual([]);
  return last;
}

describe('lost receipts and confirms', () => {
  test('an unreceipted message is redelivered with the same id and number, in order, until it is receipted', async () => {
    const { alice, bob } = await pair();
    const receipts = await sendTexts(alice, bob, 3);
    // The messages are delivered together regardless of pauses between the sends, so they are redelivered together.
    await cluster.inboxHolds(bob, 3);
    const phone = await cluster.device(bob, 'phone', hasty);
    await phone.until('three rounds', () => phone.seen.length >= 9);
    expect(phone.seen.slice(0, 9).map((one) => one.inboxSeq)).toEqual([1, 2, 3, 1, 2, 3, 1, 2, 3]);
    expect(await confirmed(phone, { upTo: 3 })).toBe(3);
    await redeliveryTime();
    expectWholeInbox([phone], idsOf(receipts));
    await phone.drop();
    await takeRest(bob, 'phone', [phone], receipts);
  });

  test('a message whose receipt is lost with its connection is redelivered at the next login', async () => {
    const { alice, bob } = await pair();
    const phone = await cluster.device(bob, 'phone', silent);
    const receipts = await sendTexts(alice, bob, 3);
    await phone.sawMessages(3);
    // In one turn of the event loop, so the proxy cannot have read the receipt.
    phone.receipt({ upTo: 3 });
    cluster.system.proxy('gateway.client').reset();
    await phone.closed;
    const again = await cluster.device(bob, 'phone');
    expect(again.find({ messageType: 'loginReceipt' })).toMatchObject({ inboxSeq: 0, head: 3, waiting: 3 });
    await again.confirmed(3);
    expectWholeInbox([phone, again], idsOf(receipts));
    await takeRest(bob, 'phone', [phone, again], receipts);
  });

  test('a cursor whose confirm is lost with its connection is stored, and a second receipt is confirmed', async () => {
    const { alice, bob } = await pair();
    const phone = await cluster.device(bob, 'phone', silent);
    const receipts = await sendTexts(alice, bob, 3);
    await phone.sawMessages(3);
    const eaten = cluster.system.proxy('gateway.client').dropResponsesOnce(() => true);
    phone.receipt({ upTo: 3 });
    await eaten;
    await phone.closed;
    expect(phone.find({ messageType: 'receiptConfirm' })).toBeUndefined();
    const again = await cluster.device(bob, 'phone', silent);
    expect(again.find({ messageType: 'loginReceipt' })).toMatchObject({ inboxSeq: 3, head: 3, waiting: 0 });
    expect(await confirmed(again, { messageIDs: idsOf(receipts) as string[] })).toBe(3);
    expect(await confirmed(again, { upTo: 3 })).toBe(3);
    expect(again.seen).toEqual([]);
    expectWholeInbox([phone], idsOf(receipts));
    await again.drop();
    await takeRest(bob, 'phone', [phone, again], receipts);
  });
});

describe('receipts in any order', () => {
  test('receipts in any order move the cursor only forward, and only over contiguous receipts', async () => {
    const { alice, bob } = await pair();
    const phone = await cluster.device(bob, 'phone', silent);
    const receipts = await sendTexts(alice, bob, 6);
    await phone.sawMessages(6);
    const id = (n: number): string => String(receipts[n - 1]?.messageID);
    expect(await confirmed(phone, { messageID: id(3) })).toBe(0);
    expect(await confirmed(phone, { messageIDs: [id(5), id(3), id(5)] })).toBe(0);
    expect(await confirmed(phone, { messageID: id(1) })).toBe(1);
    expect(await confirmed(phone, { messageID: id(1) })).toBe(1);
    expect(await confirmed(phone, { messageID: id(2) })).toBe(3);
    expect(await confirmed(phone, { upTo: 2 })).toBe(3);
    expect(await confirmed(phone, { messageID: id(4), upTo: 1 })).toBe(5);
    expect(await confirmed(phone, { upTo: 0 })).toBe(5);
    await phone.drop();
    const again = await cluster.device(bob, 'phone', silent);
    expect(again.find({ messageType: 'loginReceipt' })).toMatchObject({ inboxSeq: 5, waiting: 1 });
    await again.sawMessages(1);
    expect(await confirmed(again, { upTo: 3 })).toBe(5);
    expect(await confirmed(again, { messageIDs: [id(2), id(6)] })).toBe(6);
    expectWholeInbox([phone, again], idsOf(receipts));
    await again.drop();
    await takeRest(bob, 'phone', [phone, again], receipts);
  });
});

describe('receipts for messages that were not delivered to the device', () => {
  test('receipts for foreign messages, unknown ids or numbers beyond the head get equal answers and no effect', async () => {
    const { alice, bob } = await pair();
    const mallory = await cluster.device(cluster.name('mallory'), 'phone', silent);
    const phone = await cluster.device(bob, 'phone', silent);
    const receipts = await sendTexts(alice, bob, 3);
    await phone.sawMessages(3);
    const answers = [];
    for (const fields of [
      { messageIDs: idsOf(receipts) as string[] },
      { messageID: '9007199254740991' },
      { messageID: '1' },
      { upTo: 3 },
      { upTo: Number.MAX_SAFE_INTEGER },
    ]) {
      mallory.receipt(fields);
      answers.push(await mallory.next({ messageType: 'receiptConfirm' }));
    }
    expect(answers).toEqual(answers.map(() => ({ messageType: 'receiptConfirm', inboxSeq: 0 })));
    // No foreign receipt was stored, neither for bob nor in advance for mallory.
    await phone.drop();
    await takeRest(bob, 'phone', [phone], receipts);
    const late = await sendTexts(alice, mallory.options.user, 3, 'late');
    await mallory.sawMessages(3);
    await mallory.drop();
    await takeRest(mallory.options.user, 'phone', [mallory], late);
  });

  test('receipts have no effect on pending entries, by id or by number', async () => {
    const { alice, bob } = await pair();
    const phone = await cluster.device(bob, 'phone', silent);
    const receipts = await sendTexts(alice, bob, WINDOW + 5);
    await phone.sawMessages(WINDOW);
    const held = (idsOf(receipts) as string[]).slice(WINDOW);
    expect(await confirmed(phone, { messageIDs: held })).toBe(0);
    expect(await confirmed(phone, { upTo: WINDOW + 5 })).toBe(WINDOW);
    await phone.sawMessages(WINDOW + 5);
    await phone.drop();
    const last = await takeRest(bob, 'phone', [phone], receipts);
    expect(last.seen.map((one) => one.messageID)).toEqual(held);
  });
});

describe('devices', () => {
  test('devices have separate cursors, and the sender’s other device gets a copy, the sending one none', async () => {
    const { alice, bob } = await pair();
    const aliceName = alice.options.user;
    const phone = await cluster.device(bob, 'phone');
    const tablet = await cluster.device(bob, 'tablet', silent);
    const laptop = await cluster.device(aliceName, 'laptop', silent);
    const receipts = await sendTexts(alice, bob, 3);
    await phone.confirmed(3);
    await tablet.sawMessages(3);
    await laptop.sawMessages(3);
    const first = receipts[0] ?? {};
    const copy = { messageID: first.messageID, clientMsgID: first.clientMsgID, fromUserID: aliceName, inboxSeq: 1 };
    expect(laptop.seen[0]).toMatchObject(copy);
    const answer = await sendTexts(phone, aliceName, 1, 'answer');
    await alice.confirmed(4);
    expect(alice.seen.map((one) => [one.messageID, one.inboxSeq, one.prevInboxSeq])).toEqual([
      [answer[0]?.messageID, 4, 0],
    ]);
    await Promise.all([phone, tablet, laptop, alice].map((one) => one.drop()));
    // The phone's own answer is void for the phone and is the fourth entry for the tablet.
    await takeRest(bob, 'phone', [phone], receipts);
    await takeRest(bob, 'tablet', [tablet], [...receipts, ...answer]);
    await takeRest(aliceName, 'laptop', [laptop], [...receipts, ...answer]);
    await takeRest(aliceName, 'phone', [alice], answer);
  });

  test('a first device starts with the whole inbox, and a later device at the highest cursor', async () => {
    const { alice, bob } = await pair();
    const receipts = await sendTexts(alice, bob, 7);
    await cluster.inboxHolds(bob, 7);
    const phone = await cluster.device(bob, 'phone', silent);
    expect(phone.find({ messageType: 'loginReceipt' })).toMatchObject({ inboxSeq: 0, head: 7, waiting: 7 });
    await phone.sawMessages(7);
    expect(await confirmed(phone, { upTo: 4 })).toBe(4);
    const tablet = await cluster.device(bob, 'tablet');
    expect(tablet.find({ messageType: 'loginReceipt' })).toMatchObject({ inboxSeq: 4, head: 7, waiting: 3 });
    await tablet.confirmed(7);
    expectLedger([tablet], idsOf(receipts).slice(4));
    await phone.drop();
    await takeRest(bob, 'phone', [phone], receipts);
  });
});

describe('offline batches', () => {
  test('batches restart at the first unreceipted entry after a lost connection', async () => {
    const { alice, bob } = await pair();
    const receipts = await sendTexts(alice, bob, 12);
    await cluster.inboxHolds(bob, 12);
    const first = await cluster.device(bob, 'phone', silent);
    await first.sawMessages(12);
    expect(first.frames.filter(Array.isArray).map((batch) => batch.length)).toEqual([BATCH, BATCH, 2]);
    expect(await confirmed(first, { upTo: 3 })).toBe(3);
    await first.drop();
    const second = await cluster.device(bob, 'phone', { gateway: 1, receipts: false });
    expect(second.find({ messageType: 'loginReceipt' })).toMatchObject({ inboxSeq: 3, head: 12, waiting: 9 });
    await second.sawMessages(9);
    expect(second.seen.slice(0, 9).map((one) => one.inboxSeq)).toEqual([4, 5, 6, 7, 8, 9, 10, 11, 12]);
    // A gap in the receipts: the entry after it is redelivered, too.
    expect(await confirmed(second, { messageIDs: [4, 5, 7].map((n) => String(receipts[n - 1]?.messageID)) })).toBe(5);
    await second.drop();
    const third = await cluster.device(bob, 'phone', silent);
    await third.sawMessages(7);
    expect(third.seen[0]?.inboxSeq).toBe(6);
    await third.drop();
    await takeRest(bob, 'phone', [first, second, third], receipts);
  });

  test('messages that arrive during the batches follow them and are delivered exactly once', async () => {
    const { alice, bob } = await pair();
    const before = await sendTexts(alice, bob, 60, 'before');
    await cluster.inboxHolds(bob, 60);
    const [phone, meanwhile] = await Promise.all([cluster.device(bob), sendTexts(alice, bob, 60, 'meanwhile')]);
    await phone.confirmed(120);
    const [live] = await sendTexts(alice, bob, 1, 'live');
    await phone.confirmed(121);
    const receipts = [...before, ...meanwhile, live ?? {}];
    expectWholeInbox([phone], idsOf(receipts));
    expect(phone.seen.map((one) => one.inboxSeq)).toEqual(receipts.map((_, n) => n + 1));
    expect(phone.seen.slice(0, 60).every((one) => one.via === 'batch')).toBe(true);
    expect(phone.seen.at(-1)?.via).toBe('live');
    await phone.drop();
    await takeRest(bob, 'phone', [phone], receipts);
  });
});

describe('clients with bad receipts', () => {
  test('a client without receipts gets its window again and is closed, and no other client is affected', async () => {
    const { alice, bob } = await pair();
    const other = cluster.name('carol');
    const carol = await cluster.device(other, 'phone', { gateway: HASTY });
    const phone = await cluster.device(bob, 'phone', hasty);
    const receipts = await sendTexts(alice, bob, WINDOW + 5);
    const toCarol: Receipts = [];
    const carolGoesOn = async (): Promise<void> => {
      while (phone.open) {
        toCarol.push(...(await sendTexts(alice, other, 1, `n${toCarol.length}`)));
        await carol.confirmed(toCarol.length);
      }
    };
    const [close] = await Promise.all([phone.closed, carolGoesOn()]);
    expect(close).toMatchObject({ messageType: 'close', code: 4004, name: 'receiptOverdue', reconnect: true });
    expect(phone.messageIDs.size).toBe(WINDOW);
    expect(phone.seen.length).toBeGreaterThanOrEqual(2 * WINDOW);
    expectWholeInbox([carol], idsOf(toCarol));
    await takeRest(bob, 'phone', [phone], receipts);
  });

  test('a client with shuffled and repeated receipts gets every message once and all confirms', async () => {
    const { alice, bob } = await pair();
    const phone = await cluster.device(bob, 'phone', hasty);
    const receipts = await sendTexts(alice, bob, WINDOW);
    await phone.sawMessages(WINDOW);
    const ids = idsOf(receipts) as string[];
    const shuffled = [7, 2, 19, 2, 11, 5, 13, 3, 17, 0, 1, 7].map((n) => String(ids[n]));
    for (const messageID of shuffled) phone.receipt({ messageID });
    phone.receipt({ upTo: 9 });
    phone.receipt({ messageIDs: [...ids].reverse() });
    phone.receipt({ upTo: 4, messageID: String(ids[3]) });
    await phone.confirmed(WINDOW);
    const before = phone.seen.length;
    await redeliveryTime();
    expect(phone.seen).toHaveLength(before);
    const confirms = phone.frames.flatMap((frame) =>
      !Array.isArray(frame) && frame.messageType === 'receiptConfirm' ? [Number(frame.inboxSeq)] : [],
    );
    expect(confirms).toEqual([...confirms].sort((a, b) => a - b));
    expectWholeInbox([phone], ids);
    await phone.drop();
    await takeRest(bob, 'phone', [phone], receipts);
  });
});
