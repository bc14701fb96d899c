import { expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { isUserID } from './id-rule.js';
import {
  MAX_LANES,
  contentHash,
  groupConversation,
  groupIdOf,
  inboxLaneOf,
  laneOf,
  messageIdOf,
  pairConversation,
  placeOf,
} from './ids.js';

const id = () => fc.string({ unit: 'binary', minLength: 1, maxLength: 255 }).filter(isUserID);
const LAST = 2 ** 43 - 1;

test('placeOf inverts messageIdOf', () => {
  fc.assert(
    fc.property(fc.nat(MAX_LANES - 1), fc.integer({ min: 1, max: LAST }), (lane, position) => {
      expect(placeOf(messageIdOf(lane, position))).toEqual({ lane, position });
    }),
  );
  expect(messageIdOf(0, 1)).toBe('1024');
  expect(messageIdOf(1023, LAST)).toBe('9007199254740991');
  expect(placeOf('9007199254740991')).toEqual({ lane: 1023, position: LAST });
});

test.each([
  [0, 0],
  [0, LAST + 1],
  [0, 1.5],
  [0, NaN],
  [-1, 1],
  [1024, 1],
  [0.5, 1],
])('messageIdOf throws for lane %d and position %d', (lane, position) => {
  expect(() => messageIdOf(lane, position)).toThrow(RangeError);
});

test.each([
  '',
  '0',
  '1',
  '1023',
  '01024',
  '-1024',
  '1024.0',
  '1e5',
  ' 1024',
  '1024\n',
  '9007199254740992',
  '9999999999999999',
  '99999999999999999',
  'x',
])('placeOf returns undefined for %j', (text) => expect(placeOf(text)).toBeUndefined());

test('pairConversation is symmetric and unique per pair', () => {
  fc.assert(
    fc.property(id(), id(), id(), id(), (a, b, c, d) => {
      expect(pairConversation(a, b)).toBe(pairConversation(b, a));
      const same = (a === c && b === d) || (a === d && b === c);
      expect(pairConversation(a, b) === pairConversation(c, d)).toBe(same);
    }),
  );
  expect(pairConversation('a', 'bc')).not.toBe(pairConversation('ab', 'c'));
  expect(pairConversation('a', 'a')).not.toBe(pairConversation('a', 'aa'));
  expect(pairConversation('a:1', 'b')).not.toBe(pairConversation('a', '1:b'));
});

test('pairConversation orders the users by UTF-8 bytes, not by UTF-16 units', () => {
  fc.assert(
    fc.property(id(), id(), (a, b) => {
      const [first, second] = [a, b].sort((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)));
      const text = [first, second].map((user = '') => `:${Buffer.byteLength(user)}:${user}`).join('');
      const hash = createHash('sha256').update(`pair${text}`).digest().subarray(0, 16).toString('base64url');
      expect(pairConversation(a, b)).toBe(`p_${hash}`);
    }),
  );
  const [last, first] = ['\u{10000}', '\uffee'];
  expect(last < first).toBe(true);
  expect(Buffer.compare(Buffer.from(last), Buffer.from(first))).toBe(1);
});

test('groupIdOf returns a valid id', () => {
  for (let i = 0; i < 2000; i++) expect(groupIdOf(`user${i}`, 'make')).toMatch(/^[0-9a-f]{24}$/);
  expect(isUserID(groupIdOf('张三', 'make'))).toBe(true);
  expect(groupIdOf('a', 'bc')).not.toBe(groupIdOf('ab', 'c'));
});

test('pair and group conversations have distinct formats', () => {
  expect(groupConversation('x')).not.toBe(pairConversation('x', 'x'));
  expect(pairConversation('a', 'b')).toMatch(/^p_[A-Za-z0-9_-]{22}$/);
  expect(contentHash('')).toMatch(/^[A-Za-z0-9_-]{22}$/);
});

test('laneOf and inboxLaneOf distribute numbered users evenly', () => {
  const spread = (ids: string[], lane: (id: string, lanes: number) => number, lanes: number) => {
    const counts = new Array<number>(lanes).fill(0);
    for (const each of ids) counts[lane(each, lanes)]!++;
    return counts;
  };
  const users = Array.from({ length: 16_000 }, (_, i) => `user-${i}`);
  for (const count of spread(users, inboxLaneOf, 16)) expect(Math.abs(count - 1000)).toBeLessThan(150);
  const pairs = Array.from({ length: 32_000 }, (_, i) => pairConversation(`user-${i}`, `user-${i + 1}`));
  for (const count of spread(pairs, laneOf, 32)) expect(Math.abs(count - 1000)).toBeLessThan(150);
});
