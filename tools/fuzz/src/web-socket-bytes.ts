import { mutated } from './mutate.js';
import type { Random } from './random.js';

const CONTINUATION = 0;
const TEXT = 1;
const BINARY = 2;
/** Opcodes of whole messages: mostly text, then all others, and one undefined opcode. */
const OPCODES = [TEXT, TEXT, TEXT, TEXT, CONTINUATION, BINARY, 8, 9, 10, 11];
/** Opcodes between fragments: mostly ping and pong, then close, and one undefined opcode. */
const CONTROLS = [9, 9, 9, 10, 10, 10, 8, 11];
/** The protocol allows at most 125 bytes in a control frame. */
const MAX_CONTROL_BYTES = 128;

/** The input unframed, as a whole message, or in fragments. One in four is mutated again. */
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
 * A message in fragments of any length, also empty or split within a character, with control frames in between. Some
 * have more fragments than a server accepts, or no final fragment.
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
