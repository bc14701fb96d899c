import { expect, test } from '@jest/globals';
import { Random } from './random.js';
import { fragments } from './web-socket-bytes.js';

interface Frame {
  fin: boolean;
  opcode: number;
  payload: Buffer;
}

const INPUT = Buffer.from(JSON.stringify({ beatID: '回执 😀'.repeat(40) }));
const runs = Array.from({ length: 400 }, (_, seed) => read(fragments(INPUT, new Random(seed))));
const isControl = ({ opcode }: Frame): boolean => opcode >= 8;
const data = (frames: Frame[]): Frame[] => frames.filter((frame) => !isControl(frame));

/** Parses RFC 6455 frames as far as these tests need. */
function read(bytes: Buffer): Frame[] {
  const frames: Frame[] = [];
  for (let at = 0; at < bytes.length;) {
    const [first, second] = [bytes.readUInt8(at), bytes.readUInt8(at + 1)];
    const long = (second & 0x7f) === 126;
    const length = long ? bytes.readUInt16BE(at + 2) : second & 0x7f;
    const mask = bytes.subarray(at + (long ? 4 : 2)).subarray(0, 4);
    at += (long ? 8 : 6) + length;
    const payload = bytes.subarray(at - length, at).map((byte, n) => byte ^ mask.readUInt8(n % 4));
    frames.push({ fin: first > 0x7f, opcode: first & 0x0f, payload: Buffer.from(payload) });
  }
  return frames;
}

test('the joined fragments equal the input when control frames are between them', () => {
  for (const frames of runs) {
    const [first, ...rest] = data(frames);
    expect([1, 2]).toContain(first?.opcode);
    expect(rest.every(({ opcode }) => opcode === 0)).toBe(true);
    expect(Buffer.concat(data(frames).map(({ payload }) => payload))).toEqual(INPUT);
    expect(
      data(frames)
        .slice(0, -1)
        .some(({ fin }) => fin),
    ).toBe(false);
  }
});

test.each<[string, (frames: Frame[]) => boolean]>([
  ['a ping between fragments', (frames) => frames.some(({ opcode }) => opcode === 9)],
  ['an oversized control frame', (frames) => frames.some((f) => isControl(f) && f.payload.length > 125)],
  ['a fragmented control frame', (frames) => frames.some((frame) => isControl(frame) && !frame.fin)],
  ['an empty fragment', (frames) => data(frames).some(({ payload }) => payload.length === 0)],
  ['a message with more fragments than the limit', (frames) => data(frames).length > 64],
  ['a message without an end', (frames) => data(frames).at(-1)?.fin === false],
  [
    'only valid fragments',
    (frames) => data(frames).length <= 64 && !frames.some(isControl) && frames.at(-1)?.fin === true,
  ],
])('400 fragmented messages include %s', (_, holds) => {
  expect(runs.some(holds)).toBe(true);
});
