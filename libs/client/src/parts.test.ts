import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { fullJitter } from './backoff.js';
import { contentDigest } from './content-hash.js';
import { MemoryStore } from './memory-store.js';
import { FrameRate } from './rate.js';
import { delivery } from './testing/fake-server.js';

describe('fullJitter', () => {
  const range = { baseMs: 100, maxMs: 1000 };

  test('returns a delay below a bound that doubles up to its maximum', () => {
    const ceilings = [0, 1, 2, 3, 4, 100].map((attempt) => fullJitter(range, attempt, () => 1));
    expect(ceilings).toEqual([100, 200, 400, 800, 1000, 1000]);
    expect(fullJitter(range, 5, () => 0)).toBe(0);
  });
});

describe('FrameRate', () => {
  test('allows less than twice the limit in any second', () => {
    const rate = new FrameRate();
    rate.reset(100, 0);
    const taken: number[] = [];
    for (let ms = 0; ms < 3000; ms++) while (rate.take(ms)) taken.push(ms);
    for (let from = 0; from <= 2000; from += 50) {
      // The server's bucket holds twice the limit.
      expect(taken.filter((at) => at >= from && at < from + 1000).length).toBeLessThan(200);
    }
    expect(taken.length).toBeGreaterThan(300);
  });
});

describe('MemoryStore', () => {
  test('returns only new messages, and drops the oldest ids beyond its bound', () => {
    const store = new MemoryStore(2);
    expect(store.saveMessages([delivery(1), delivery(1), delivery(2)])).toEqual([delivery(1), delivery(2)]);
    expect(store.saveMessages([delivery(3), delivery(2)])).toEqual([delivery(3)]);
    expect(store.saveMessages([delivery(1)])).toEqual([delivery(1)]);
  });
});

describe('contentDigest', () => {
  test('ignores the order of keys and depends on everything else', () => {
    expect(contentDigest('text', { a: 1, b: { c: [1, 2], d: null } })).toBe(
      contentDigest('text', { b: { d: null, c: [1, 2] }, a: 1 }),
    );
    const digests = [{}, { a: 1 }, { a: '1' }, { a: [1] }, { a: null }, { b: 1 }].map((content) =>
      contentDigest('text', content),
    );
    expect(new Set([...digests, contentDigest('image', {})]).size).toBe(7);
  });

  test('returns the same digest after a JSON round trip', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (content) => {
        expect(contentDigest('text', JSON.parse(JSON.stringify(content)))).toBe(contentDigest('text', content));
      }),
    );
  });
});
