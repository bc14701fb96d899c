import { describe, expect, test } from '@jest/globals';
import { inboxText } from '@huizhi/protocol';
import { ENTRY_BYTES, pageOf, placesOf } from './page.js';

const row = (seq: number, skipDevice: string | null = null) => ({
  user: 'u',
  seq,
  lane: 1,
  position: seq * 10,
  skipDevice,
});
const about = { device: 'phone', maxBytes: 1_000, from: 1, to: 9, full: false };

describe('a page of an inbox', () => {
  test('requests only the places that are not void for the device', () => {
    expect(placesOf([row(1), row(2, 'phone'), row(3, 'tablet')], 'phone')).toEqual([
      [1, 10],
      [1, 30],
    ]);
  });

  test('marks void entries and entries without a body with line -1', () => {
    const page = pageOf({ ...about, rows: [row(1), row(2, 'phone'), row(3), row(4)], bodies: ['a', '', 'c'] });
    expect(page).toEqual({
      entries: [
        [1, 0],
        [2, -1],
        [3, -1],
        [4, 1],
      ],
      bodies: ['a', 'c'],
      upTo: 9,
    });
  });

  test('ends before the first body that does not fit, but has at least one', () => {
    const rows = [row(1), row(2), row(5)];
    const two = 2 * (4 + ENTRY_BYTES);
    expect(pageOf({ ...about, rows, bodies: ['aaaa', 'bbbb', 'c'], maxBytes: two })).toMatchObject({
      entries: [
        [1, 0],
        [2, 1],
      ],
      upTo: 4,
    });
    expect(pageOf({ ...about, rows, bodies: ['aaaa', 'bbbb', 'c'], maxBytes: two - 1 })).toMatchObject({
      entries: [[1, 0]],
      upTo: 1,
    });
    expect(pageOf({ ...about, rows, bodies: ['aaaa', 'bbbb', 'c'], maxBytes: 1 })).toMatchObject({
      entries: [[1, 0]],
      upTo: 1,
    });
    // The log did not answer the last place. The numbers before it have no rows and are covered.
    expect(pageOf({ ...about, rows, bodies: ['a', 'b'] })).toMatchObject({ upTo: 4 });
  });

  test('counts the bytes that the gateway adds to each entry', () => {
    const entry = inboxText('{"messageID":"1024"}', Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER - 2);
    expect(`[${entry},`.length - '{"messageID":"1024"}'.length).toBeLessThanOrEqual(ENTRY_BYTES);
  });

  test('covers numbers without a row up to the head, or up to the last row when there may be more rows', () => {
    expect(pageOf({ ...about, rows: [row(4)], bodies: ['a'] })).toEqual({ entries: [[4, 0]], bodies: ['a'], upTo: 9 });
    expect(pageOf({ ...about, rows: [row(4)], bodies: ['a'], full: true }).upTo).toBe(4);
    expect(pageOf({ ...about, rows: [], bodies: [] }).upTo).toBe(9);
    expect(pageOf({ ...about, rows: [], bodies: [], from: 10 }).upTo).toBe(9);
  });
});
