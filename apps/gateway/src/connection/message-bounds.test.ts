import { expect, test } from '@jest/globals';
import { MessageBounds } from './message-bounds.js';

const [TEXT, MORE, PING] = [1, 0, 9];

/** Encodes a frame as a client sends it. */
function frame(opcode: number, size: number, { fin = true, as }: { fin?: boolean; as?: 126 | 127 } = {}): Buffer {
  const short = as ?? (size < 126 ? size : size < 65_536 ? 126 : 127);
  const length = Buffer.alloc({ 126: 2, 127: 8 }[short] ?? 0);
  if (length.length > 0)
    length.writeUIntBE(size, length.length - Math.min(6, length.length), Math.min(6, length.length));
  // The payload bytes look like frame headers, so that a wrong count is detected.
  return Buffer.concat([Buffer.of((fin ? 0x80 : 0) | opcode, 0x80 | short), length, Buffer.alloc(4 + size, 0x81)]);
}

test.each<[string, Buffer[]]>([
  ['a message', [frame(TEXT, 5)]],
  ['an empty message', [frame(TEXT, 0)]],
  ['a message with a length of two bytes', [frame(TEXT, 300)]],
  ['a message with a length of eight bytes', [frame(TEXT, 65_536)]],
  ['a ping', [frame(PING, 4)]],
  ['a fragmented message', [frame(TEXT, 3, { fin: false }), frame(MORE, 0, { fin: false }), frame(MORE, 200)]],
  ['pings between fragments', [frame(TEXT, 1, { fin: false }), frame(PING, 7), frame(PING, 0), frame(MORE, 1)]],
])('%s counts as unfinished from its first byte to its last, for any chunk boundary', (_, frames) => {
  const bytes = Buffer.concat(frames);
  const before = frame(TEXT, 130);
  for (let cut = 0; cut <= bytes.length; cut += bytes.length > 1_000 && cut > 20 ? 9_973 : 1) {
    const bounds = new MessageBounds();
    bounds.follow(Buffer.concat([before, bytes.subarray(0, cut)]));
    expect(bounds.heldBytes).toBe(cut % bytes.length);
    bounds.follow(Buffer.concat([bytes.subarray(cut), before]));
    expect(bounds.heldBytes).toBe(0);
  }
});

test('the bounds are the same when bytes arrive one by one', () => {
  const bounds = new MessageBounds();
  const bytes = Buffer.concat([frame(TEXT, 300, { fin: false }), frame(PING, 3), frame(MORE, 2)]);
  const held = [...bytes].map((byte) => {
    bounds.follow(Buffer.of(byte));
    return bounds.heldBytes;
  });
  expect(held).toEqual([...Array.from({ length: bytes.length - 1 }, (_, i) => i + 1), 0]);
});

test('the bounds stop after the requested number of frames', () => {
  const frames = [frame(TEXT, 5), frame(PING, 0), frame(TEXT, 200), frame(TEXT, 1, { fin: false })];
  const bytes = Buffer.concat([...frames, frame(MORE, 9).subarray(0, 4)]);
  const bounds = new MessageBounds();
  let at = 0;
  for (const { length } of frames) {
    at += length;
    expect(bounds.follow(bytes, at - length, 1)).toBe(at);
  }
  expect(bounds.follow(bytes, at, 1)).toBe(bytes.length);
});

test.each([
  ['two bytes for 125', frame(TEXT, 125, { as: 126 }), 4],
  ['two bytes for 0', frame(PING, 0, { as: 126 }), 4],
  ['eight bytes for 300', frame(TEXT, 300, { as: 127 }), 10],
  ['eight bytes for 65,535', frame(TEXT, 65_535, { as: 127 }), 10],
])('the bounds detect a length that is not minimal at its last byte: %s', (_, bytes, header) => {
  const bounds = new MessageBounds();
  const before = frame(TEXT, 3);
  expect(bounds.follow(Buffer.concat([before, bytes]))).toBe(before.length + header);
  expect(bounds.isBroken).toBe(true);
});
