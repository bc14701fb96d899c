import { expect, test } from '@jest/globals';
import { conversationFaults, Direction } from './pair-direction.js';
import type { LoadConnection, LoadFrame } from './load-connection.js';
import { PairSession, type Meter } from './pair-session.js';

const BYTES = 300;

/**
 * Two sessions whose connections only store their frames; `hear` passes a line to a session as its connection would.
 */
function pair() {
  const meter: Meter = { receipted: () => {}, delivered: () => {}, refused: () => {}, lost: () => {}, owes: () => {} };
  const session = (user: string, to: string) => {
    const sent: string[] = [];
    const wire = { sent, send: (text: string) => void sent.push(text) } as unknown as LoadConnection;
    const made = new PairSession(user, to, new Direction(`${user} to ${to}`), BYTES, wire);
    made.meter = meter;
    const hear = (line: string): boolean => {
      const taken = wire.onLine(`{"x":1}\n${line}\n{"seq":77}`, 8, 8 + line.length);
      if (!taken) wire.onFrame(JSON.parse(line) as LoadFrame);
      return taken;
    };
    return { session: made, sent, hear };
  };
  const alice = session('alice', 'bob');
  const bob = session('bob', 'alice');
  alice.session.other = bob.session;
  bob.session.other = alice.session;
  return { alice, bob, faults: () => conversationFaults(alice.session.out, bob.session.out) };
}

/** The delivery that the gateway would write for alice's message n. */
const delivery = (sent: string[], n: number, more: object = {}): string => {
  const { content, clientMsgID } = JSON.parse(sent[n - 1] as string) as Record<string, unknown>;
  const frame = {
    inboxSeq: n,
    messageID: String(n * 1024),
    seq: n,
    messageType: 'normal',
    fromUserID: 'alice',
    clientMsgID,
  };
  return JSON.stringify({ ...frame, content, ...more });
};
const receipt = (n: number, seq = n): string =>
  JSON.stringify({ messageType: 'normalReceipt', messageID: String(n * 1024), seq, clientMsgID: String(n) });

function threeSent() {
  const all = pair();
  for (const at of [0, 1, 2]) all.alice.session.send(at);
  return all;
}

test('PairSession accepts regular frames without parsing and reports no fault', () => {
  const { alice, bob, faults } = threeSent();
  for (const n of [1, 2, 3]) {
    expect(alice.hear(receipt(n))).toBe(true);
    expect(bob.hear(delivery(alice.sent, n))).toBe(true);
  }
  expect(bob.hear('{"messageType":"receiptConfirm","inboxSeq":3}')).toBe(true);
  bob.session.sayReceipts();
  expect(JSON.parse(bob.sent[0] as string)).toEqual({ messageType: 'receipt', upTo: 3 });
  expect([alice.session.done, bob.session.done, faults()]).toEqual([true, true, []]);
  expect(alice.sent[0]).toHaveLength(BYTES - 12 - 'alice'.length + 'bob'.length);
});

test('PairSession parses frames of other shapes, arrays included', () => {
  const { alice, bob, faults } = threeSent();
  for (const n of [1, 2, 3])
    alice.hear(JSON.stringify({ clientMsgID: String(n), seq: n, messageType: 'normalReceipt' }));
  const [one, two, three] = [1, 2, 3].map((n) => delivery(alice.sent, n));
  expect(bob.hear(`[${one},${two}]`)).toBe(false);
  const { inboxSeq, ...rest } = JSON.parse(three as string) as LoadFrame;
  expect(bob.hear(JSON.stringify({ ...rest, inboxSeq }))).toBe(false);
  expect(faults()).toEqual([]);
});

test('PairSession receipts a redelivery under the same inboxSeq again and reports no fault', () => {
  const { alice, bob, faults } = threeSent();
  for (const n of [1, 2, 3]) {
    alice.hear(receipt(n));
    bob.hear(delivery(alice.sent, n));
  }
  bob.session.sayReceipts();
  bob.hear(delivery(alice.sent, 2));
  bob.session.sayReceipts();
  expect(bob.sent).toHaveLength(2);
  expect([alice.session.out.redelivered, faults()]).toEqual([1, []]);
});

test.each<[what: string, fault: RegExp, second: (sent: string[]) => string | undefined]>([
  ['lost', /3 came when 2 was due/, () => undefined],
  ['duplicated', /1 came twice/, (sent) => delivery(sent, 1, { inboxSeq: 2 })],
  ['changed in its last byte', /2 of alice .* not what was sent/, (sent) => delivery(sent, 2).replace('x"}}', 'y"}}')],
  ['cut short', /2 of alice .* not what was sent/, (sent) => delivery(sent, 2).replace('x"}}', '"}}')],
  [
    'with the text of another message',
    /2 of alice .* not what was sent/,
    (sent) => delivery(sent, 2).replace('"2 x', '"1 x'),
  ],
  ['of an unknown sender', /2 of eve .* not what was sent/, (sent) => delivery(sent, 2, { fromUserID: 'eve' })],
  ['with another seq than its receipt', /2 has seq 2 in its receipt and 9/, (sent) => delivery(sent, 2, { seq: 9 })],
  ['after a hole', /hole between 1 and 4/, (sent) => delivery(sent, 2, { inboxSeq: 4, prevInboxSeq: 3 })],
])('PairSession reports a fault when a message is %s', (_, fault, second) => {
  const { alice, bob, faults } = threeSent();
  for (const n of [1, 2, 3]) alice.hear(receipt(n));
  bob.hear(delivery(alice.sent, 1));
  const line = second(alice.sent);
  if (line !== undefined) bob.hear(line);
  bob.hear(delivery(alice.sent, 3, { inboxSeq: 5, prevInboxSeq: bob.session.head }));
  expect(faults().join('\n')).toMatch(fault);
});

test('PairSession reports a fault when a receipt changes or is missing', () => {
  const { alice, bob, faults } = threeSent();
  for (const n of [1, 2, 3]) bob.hear(delivery(alice.sent, n));
  alice.hear(receipt(1));
  alice.hear(receipt(1, 2));
  alice.hear(receipt(2));
  expect(faults().join('\n')).toMatch(/changed from seq 1 to 2[^]*1 of 3 were not receipted/);
});
