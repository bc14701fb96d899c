import { mutated } from './mutate.js';
import type { Random } from './random.js';

const CONTINUATION = 0;
const TEXT = 1;
const BINARY = 2;
/** Of whole messages: text most often, then all there are, and one that does not exist. */
const OPCODES = [TEXT, TEXT, TEXT, TEXT, CONTINUATION, BINARY, 8, 9, 10, 11];
/** Between fragments: ping and pong most often, then close, and one that does not exist. */
const CONTROLS = [9, 9, 9, 10, 10, 10, 8, 11];
/** The most that a control frame may hold is 125. */
const MAX_CONTROL_BYTES = 128;

/** The input where a message should begin, as a whole message, or in fragments; one of four spoilt once more. */
export function webSocketBytes(input: Uint8Array, random: Random): Uint8Array {
  const bytes = random.of([asItIs, whole, fragments, fragments])(input, random);
  return random.oneIn(4) ? mutated(bytes, random, bytes) : bytes;
}

/** A masked frame of less than 64 KiB, as a client sends it. */
export function clientFrame(opcode: number, payload: Uint8Array, { fin = true, mask = [1, 2, 3, 4] } = {}): Buffer {
  const { length } = payload;
  const size = length < 126 ? [0x80 | length] : [0x80 | 126, length >> 8, length & 0xff];
  const masked = payload.map((byte, at) => byte ^ (mask[at % 4] as number));
  return Buffer.concat([Uint8Array.from([(fin ? 0x80 : 0) | opcode, ...size, ...mask]), masked]);
}

/**
 * A message in pieces of any length, also none, cut anywhere, also in a character; control frames between them. Now and then more pieces
 * than a server has to put together, or without an end.
 */
export function fragments(input: Uint8Array, random: Random): Buffer {
  const count = random.oneIn(16) ? 60 + random.below(10) : 2 + random.below(6);
  const cuts = Array.from({ length: count - 1 }, () => random.below(input.length + 1)).sort((a, b) => a - b);
  const opcode = random.oneIn(8) ? BINARY : TEXT;
  const ends = !random.oneIn(8);
  const frames = [...cuts, input.length].flatMap((cut, n) => [
    ...(n > 0 && random.oneIn(3) ? [control(random)] : []),
    clientFrame(n === 0 ? opcode : CONTINUATION, input.subarray(cuts[n - 1] ?? 0, cut), {
      fin: ends && n === count - 1,
      mask: [...random.bytes(4)],
    }),
  ]);
  return Buffer.concat(frames);
}

const asItIs = (input: Uint8Array): Uint8Array => input;

const whole = (input: Uint8Array, random: Random): Buffer => clientFrame(random.of(OPCODES), input);

const control = (random: Random): Buffer =>
  clientFrame(random.of(CONTROLS), random.bytes(random.below(random.of([1, 8, MAX_CONTROL_BYTES]))), {
    fin: !random.oneIn(32),
  });
