import { expect, it } from '@jest/globals';
import { keyText, LaneMemory, type ConversationState } from './lane-memory.js';

const group = (members: number): ConversationState => ({
  seq: 1,
  serverTime: 1,
  members: new Set(Array.from({ length: members }, (_, n) => `user-${n}`)),
});
const pair: ConversationState = { seq: 1, serverTime: 1 };

const message = (clientID: string) => ({
  ...{ conversation: 'c', user: 'alice', clientID },
  ...{ position: 7, seq: 3, serverTime: 5, hash: 'h' },
});

/** Which of the conversations `c0`, `c1` … are remembered. */
function remembered(memory: LaneMemory, count: number): number[] {
  const all = Array.from({ length: count }, (_, n) => n);
  return all.filter((n) => memory.conversations.get(`c${n}`) !== undefined);
}

it('LaneMemory keeps the receipt and the hash of a message, not its body', () => {
  const memory = new LaneMemory(10_000);
  const row = { ...message('1'), body: 'x'.repeat(60_000) };
  memory.remember(row);
  expect(memory.stored.get(keyText(message('1')))).toEqual({ position: 7, seq: 3, serverTime: 5, hash: 'h' });
});

it('LaneMemory evicts the least recently used messages', () => {
  const memory = new LaneMemory(10_000);
  for (let n = 0; n < 100; n++) memory.remember(message(`${n}`));
  expect(memory.stored.get(keyText(message('0')))).toBeDefined();
  memory.trim();
  const left = Array.from({ length: 100 }, (_, n) => n).filter((n) => memory.stored.get(keyText(message(`${n}`))));
  expect(left.length).toBeGreaterThan(5);
  expect(left.length).toBeLessThan(20);
  expect(left).toEqual([0, ...Array.from({ length: left.length - 1 }, (_, n) => 101 - left.length + n)]);
});

it('LaneMemory has room for many pairs, or for few groups with many members', () => {
  const pairs = new LaneMemory(200_000);
  const groups = new LaneMemory(200_000);
  for (let n = 0; n < 100; n++) {
    pairs.conversations.set(`c${n}`, pair);
    groups.conversations.set(`c${n}`, group(500));
  }
  pairs.trim();
  groups.trim();
  expect(remembered(pairs, 100)).toHaveLength(100);
  expect(remembered(groups, 100)).toEqual([99]);
});

it('LaneMemory counts a conversation once, however often it changes', () => {
  const memory = new LaneMemory(200_000);
  memory.conversations.set('c0', pair);
  for (let n = 0; n < 1000; n++) memory.conversations.set('c1', group(500));
  memory.trim();
  expect(remembered(memory, 2)).toEqual([0, 1]);
});

it('LaneMemory evicts nothing before trim, because a transaction needs what it has read', () => {
  const memory = new LaneMemory(0);
  for (let n = 0; n < 10; n++) memory.conversations.set(`c${n}`, group(500));
  expect(remembered(memory, 10)).toHaveLength(10);
  memory.trim();
  expect(remembered(memory, 10)).toEqual([]);
});
