import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { canonicalJson } from './canonical.js';

/** The same value with the keys of every object in another order. */
function shuffled(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shuffled);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, field]) => [key, shuffled(field)]),
  );
}

test('canonicalJson returns the same text for any key order, and it parses to the same value', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
      const text = canonicalJson(value);
      expect(canonicalJson(shuffled(value))).toBe(text);
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});

test('canonicalJson returns different texts for values that differ in a key, list order or type', () => {
  const different = [{ a: 1 }, { b: 1 }, { a: '1' }, { a: [1, 2] }, { a: [2, 1] }, { a: { b: 1 } }, { a: null }, {}];
  expect(new Set(different.map(canonicalJson)).size).toBe(different.length);
  expect(canonicalJson({ b: undefined, a: 1 })).toBe('{"a":1}');
});
