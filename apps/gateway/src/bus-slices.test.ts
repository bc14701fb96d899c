import { expect, test } from '@jest/globals';
import { MAX_BUS_BYTES } from '@huizhi/protocol';
import { busSlices } from './bus-slices.js';

const sessions = (count: number, id: string): { user: string; device: string; session: number }[] =>
  Array.from({ length: count }, (_, session) => ({ user: id, device: id, session }));

test.each([
  ['short ids', 'alice', 3],
  ['the longest ids', '😀'.repeat(255), 16],
  ['ids that JSON escapes', '"'.repeat(255), 9],
])('slices of sessions with %s fit a bus message, in order and without loss', (_, id, most) => {
  const all = sessions(2_500, id);
  const pieces = [...busSlices(all)];
  expect(pieces.flat()).toEqual(all);
  for (const piece of pieces) expect(Buffer.byteLength(JSON.stringify(piece))).toBeLessThan(MAX_BUS_BYTES);
  expect(pieces.length).toBeGreaterThanOrEqual(3);
  expect(pieces.length).toBeLessThanOrEqual(most);
});

test('no session gives no slice', () => expect([...busSlices([])]).toEqual([]));
