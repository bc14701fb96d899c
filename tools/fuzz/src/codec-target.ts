import { isDeepStrictEqual } from 'node:util';
import {
  Base64LinesDecoder,
  encodeBase64Line,
  encodeHzFrame,
  encodeJsonLine,
  fromServer,
  HZ,
  HzDecoder,
  JsonLinesDecoder,
  modeOf,
  ProtocolError,
  readUp,
  type Decoder,
} from '@huizhi/protocol';
import { MARK } from './mutate.js';
import { Random } from './random.js';

/** A codec: splits bytes into frames and encodes frames. */
export interface Codec {
  readonly name: string;
  readonly decoder: (limit: number) => Decoder<unknown>;
  /** The side whose frames this codec decodes. */
  readonly side: 'client' | 'server';
  readonly encode: (json: string) => string | Uint8Array;
  /** Maximum bytes that the decoder may buffer with a frame limit of `limit` bytes. */
  readonly mayHold: (limit: number) => number;
}

type Frame = Record<string, unknown>;

interface Outcome {
  /** Frames and refusals, in order. */
  readonly taken: unknown[];
  readonly ended: string | undefined;
}

/** A violated invariant. */
export class Broken extends Error {}

const lines = { encode: encodeJsonLine, mayHold: (limit: number) => limit + 1 };
// Room for a tolerated CRLF inside the encoding, and for the CR at the end of the line.
const base64 = { encode: encodeBase64Line, mayHold: (limit: number) => 4 * Math.ceil((limit + 2) / 3) + 1 };
const hz = { encode: encodeHzFrame, mayHold: (limit: number) => limit + HZ.headerBytes };

export const codecs: readonly Codec[] = [
  { name: 'json', side: 'client', decoder: (limit) => new JsonLinesDecoder(limit), ...lines },
  { name: 'base64', side: 'client', decoder: (limit) => new Base64LinesDecoder(limit), ...base64 },
  { name: 'hz', side: 'client', decoder: (limit) => new HzDecoder(limit), ...hz },
  { name: 'json of a server', side: 'server', decoder: (limit) => new JsonLinesDecoder(limit, fromServer), ...lines },
  {
    name: 'base64 of a server',
    side: 'server',
    decoder: (limit) => new Base64LinesDecoder(limit, fromServer),
    ...base64,
  },
  { name: 'hz of a server', side: 'server', decoder: (limit) => new HzDecoder(limit, fromServer), ...hz },
];

const LIMIT = 2 * 1024;
const LARGE = 1024 * 1024;

/**
 * Checks the invariants of every codec for any input bytes. Returns the observed outcomes as strings: an input that
 * produces a new one is worth keeping.
 * @throws Broken
 */
export function check(input: Uint8Array, all: readonly Codec[] = codecs): string[] {
  const words = [`begins ${modeOf(input)}`];
  for (const codec of all) {
    const whole = decode(codec, [input]);
    for (const chunks of cuts(input, codec.side)) {
      if (!isDeepStrictEqual(decode(codec, chunks), whole)) {
        throw new Broken(`${codec.name}: other frames when the bytes arrive in ${chunks.length} pieces`);
      }
    }
    if (whole.ended !== undefined) words.push(`${codec.name} ${whole.ended}`);
    for (const each of whole.taken) {
      if (typeof each === 'string') words.push(`${codec.name} ${each}`);
      else words.push(...checkFrame(codec, each));
    }
  }
  if (Object.keys(Object.prototype).length > 0) throw new Broken('the prototype of all objects was changed');
  return words;
}

function decode(codec: Codec, chunks: readonly Uint8Array[]): Outcome {
  const decoder = codec.decoder(LIMIT);
  const taken: unknown[] = [];
  try {
    for (const chunk of chunks) {
      decoder.push(
        chunk,
        (frame) => void taken.push(frame),
        (error) => void taken.push(named(error)),
      );
      if (decoder.heldBytes > codec.mayHold(LIMIT)) throw new Broken(`${codec.name}: holds ${decoder.heldBytes} bytes`);
    }
  } catch (error) {
    return { taken, ended: named(error) };
  }
  return { taken, ended: undefined };
}

/** Accepts only a ProtocolError, and only if its message does not quote the input. */
function named(error: unknown): string {
  if (error instanceof Broken) throw error;
  if (!(error instanceof ProtocolError)) throw new Broken(`not a ProtocolError: ${String(error)}`, { cause: error });
  if (error.message.includes(MARK) || error.message.length > 200)
    throw new Broken(`quotes its input: ${error.message}`);
  return `${error.error} ${error.message}`;
}

/** Checks that a frame encodes and decodes to itself, and that readUp() gives the same result on its own output. */
function checkFrame(codec: Codec, frame: unknown): string[] {
  const json = JSON.stringify(frame);
  const encoded = codec.encode(json);
  const again: unknown[] = [];
  codec
    .decoder(LARGE)
    .push(typeof encoded === 'string' ? Buffer.from(encoded) : encoded, (one) => void again.push(one));
  if (again.length !== 1 || JSON.stringify(again[0]) !== json)
    throw new Broken(`${codec.name}: decodes to another frame than was encoded`);
  return codec.side === 'server' ? [] : [true, false].map((first) => read(frame as Frame, first));
}

function read(frame: Frame, first: boolean): string {
  try {
    const up = readUp(frame, first);
    const again = readUp(JSON.parse(JSON.stringify(up.frame)) as Frame, first);
    // Compared as text: minus zero may become zero.
    if (JSON.stringify(again) !== JSON.stringify(up))
      throw new Broken(`readUp: ${up.type} changes when it is read again`);
    return `read ${up.type} ${Object.keys(up.frame).sort().join()}`;
  } catch (error) {
    return named(error);
  }
}

/**
 * Cuts into two pieces, three pieces and single bytes. The cuts depend only on the bytes, so findings are reproducible.
 */
function* cuts(input: Uint8Array, side: Codec['side']): Iterable<Uint8Array[]> {
  const random = new Random(input.reduce((sum, byte) => (Math.imul(sum, 31) + byte) | 0, 7));
  const at = random.below(input.length + 1);
  yield [input.subarray(0, at), input.subarray(at)];
  // The two sides differ in valid frames, not in how bytes are cut.
  if (side === 'server') return;
  const [a = 0, b = 0] = [random.below(input.length + 1), random.below(input.length + 1)].sort((x, y) => x - y);
  yield [input.subarray(0, a), input.subarray(a, b), input.subarray(b)];
  if (input.length <= 256) yield Array.from(input, (_, n) => input.subarray(n, n + 1));
}
