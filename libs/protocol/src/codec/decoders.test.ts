import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ProtocolError, type ErrorName } from '../errors.js';
import { Base64LinesDecoder, encodeBase64Line } from './base64-lines.js';
import { decodeBase64 } from './base64.js';
import { fromServer, MAX_SERVER_FRAME_BYTES, type Decoder } from './decoder.js';
import { encodeHzFrame, HZ, HzDecoder } from './hz.js';
import { encodeJsonLine, JsonLinesDecoder } from './json-lines.js';
import type { Frame, ServerFrame } from './json.js';

/** A mode of the wire; the tests below apply to each. */
interface Row {
  readonly name: string;
  readonly decoder: (limit: number) => Decoder;
  readonly ofServer: () => Decoder<ServerFrame>;
  readonly encode: (json: string) => Uint8Array;
  /** Bytes that a decoder may hold beyond the limit. */
  readonly grace: (limit: number) => number;
}

const rows: Row[] = [
  {
    name: 'JSON lines',
    decoder: (limit) => new JsonLinesDecoder(limit),
    ofServer: () => new JsonLinesDecoder(MAX_SERVER_FRAME_BYTES, fromServer),
    encode: (json) => Buffer.from(encodeJsonLine(json)),
    grace: () => 1,
  },
  {
    name: 'base64 lines',
    decoder: (limit) => new Base64LinesDecoder(limit),
    ofServer: () => new Base64LinesDecoder(MAX_SERVER_FRAME_BYTES, fromServer),
    encode: (json) => Buffer.from(encodeBase64Line(json)),
    grace: (limit) => 4 * Math.ceil((limit + 2) / 3) + 1 - limit,
  },
  {
    name: 'HZ frames',
    decoder: (limit) => new HzDecoder(limit),
    ofServer: () => new HzDecoder(MAX_SERVER_FRAME_BYTES, fromServer),
    encode: encodeHzFrame,
    grace: () => HZ.headerBytes,
  },
];

interface Outcome {
  frames: unknown[];
  error?: ErrorName;
}

function decode(decoder: Decoder<Frame | ServerFrame>, chunks: readonly Uint8Array[]): Outcome {
  const frames: unknown[] = [];
  try {
    for (const chunk of chunks) decoder.push(chunk, (frame) => void frames.push(frame));
  } catch (error) {
    if (error instanceof ProtocolError) return { frames, error: error.error };
    throw error;
  }
  return { frames };
}

const oneByOne = (bytes: Uint8Array): Uint8Array[] => Array.from(bytes, (_, i) => bytes.subarray(i, i + 1));

/** Cuts bytes at the given places; any numbers are valid. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const at = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((start, i) => bytes.subarray(start, at[i] ?? bytes.length));
}

const FRAMES = [{ a: 1 }, { b: '回执😀é' }, { c: { d: [true, null, '😀'] } }, {}];

test.each(rows)('$name: the decoder returns the same frames for any split of the bytes', ({ decoder, encode }) => {
  const whole = Buffer.concat(FRAMES.map((frame) => encode(JSON.stringify(frame))));
  for (const rest of [0, 3]) {
    const bytes = Buffer.concat([whole, encode('{"rest":1}').subarray(0, rest)]);
    for (let at = 0; at <= bytes.length; at++) {
      expect(decode(decoder(1024), [bytes.subarray(0, at), bytes.subarray(at)])).toEqual({ frames: FRAMES });
    }
    expect(decode(decoder(1024), oneByOne(bytes))).toEqual({ frames: FRAMES });
  }
});

test.each(rows)(
  '$name: the decoder accepts a frame of exactly the limit and refuses one byte more',
  ({ decoder, encode }) => {
    const exact = encode('{"a":"bc"}');
    const over = encode('{"a":"bcd"}');
    expect(decode(decoder(10), [exact, exact])).toEqual({ frames: [{ a: 'bc' }, { a: 'bc' }] });
    expect(decode(decoder(10), oneByOne(exact))).toEqual({ frames: [{ a: 'bc' }] });
    expect(decode(decoder(10), [over])).toEqual({ frames: [], error: 'frameTooLarge' });
    expect(decode(decoder(10), oneByOne(over))).toEqual({ frames: [], error: 'frameTooLarge' });
  },
);

test.each(rows)(
  '$name: the decoder applies a changed limit to later frames in the same bytes',
  ({ decoder, encode }) => {
    const small = decoder(8);
    const frames: Frame[] = [];
    small.push(Buffer.concat([encode('{"a":1}'), encode('{"long":"enough"}')]), (frame) => {
      frames.push(frame);
      small.limit = 100;
    });
    expect(frames).toEqual([{ a: 1 }, { long: 'enough' }]);
  },
);

test.each(rows)('$name: the decoder copies the bytes that it holds', ({ decoder, encode }) => {
  const bytes = encode('{"a":"once"}');
  const frames: Frame[] = [];
  const keeper = decoder(1024);
  const reused = Buffer.from(bytes.subarray(0, -3));
  keeper.push(reused, () => undefined);
  reused.fill('#');
  keeper.push(bytes.subarray(-3), (frame) => void frames.push(frame));
  expect([frames, keeper.heldBytes]).toEqual([[{ a: 'once' }], 0]);
});

test.each(rows)('$name: the decoder stops when onFrame returns false, and throws again after an error', (row) => {
  const stopped = row.decoder(1024);
  let count = 0;
  const two = Buffer.concat([row.encode('{"a":1}'), row.encode('{"b":1}')]);
  const stop = () => (count++, false);
  stopped.push(two, stop);
  stopped.push(two, stop);
  expect([count, stopped.heldBytes]).toEqual([1, 0]);

  const failed = row.decoder(1024);
  const push = () => failed.push(row.encode('{'), () => undefined);
  expect(push).toThrow(ProtocolError);
  expect(push).toThrow(ProtocolError);
  expect(failed.heldBytes).toBe(0);
});

test.each(rows)(
  '$name: the decoder reports a frame with refused content in order and continues',
  ({ decoder, encode }) => {
    const seen: unknown[] = [];
    decoder(1000).push(
      Buffer.concat([encode('{"n":1}'), encode('{"n":2,"text":"\\u0000"}'), encode('{"n":3}')]),
      (frame) => void seen.push(frame.n),
      (error) => void seen.push([error.frame.n, error.error]),
    );
    expect(seen).toEqual([1, [2, 'badText'], 3]);
  },
);

test.each(rows)('$name: the decoder accepts batches and deep frames of a server, but not of a client', (row) => {
  const batch = `[{"a":1},{"b":${'['.repeat(18)}1${']'.repeat(18)}}]`;
  expect(decode(row.ofServer(), oneByOne(row.encode(batch)))).toEqual({ frames: [JSON.parse(batch)] });
  expect(decode(row.ofServer(), [row.encode(`{"a":"${'x'.repeat(1 << 19)}"}`)]).error).toBeUndefined();
  for (const bad of ['[1]', '[[]]', '[null]']) {
    expect(decode(row.ofServer(), [row.encode(bad)])).toEqual({ frames: [], error: 'badFrame' });
  }
  // A short array of a client in base64 would be a bare heartbeat, so the array is long.
  const long = `[{"a":"${'x'.repeat(60)}"}]`;
  expect(decode(row.decoder(1024), [row.encode(long)])).toEqual({ frames: [], error: 'badFrame' });
});

test.each(rows)(
  '$name: the decoder returns random frames unchanged for any split of the bytes',
  ({ decoder, encode }) => {
    const texts = fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0'));
    const frames = fc.array(fc.dictionary(fc.constantFrom('a', '回', 'x y'), fc.oneof(texts, fc.integer())), {
      maxLength: 5,
    });
    fc.assert(
      fc.property(frames, fc.array(fc.nat(), { maxLength: 8 }), (given, places) => {
        const bytes = Buffer.concat(given.map((frame) => encode(JSON.stringify(frame))));
        const plain = JSON.parse(JSON.stringify(given)) as Frame[];
        expect(decode(decoder(1 << 20), cut(bytes, places))).toEqual({ frames: plain });
      }),
      { numRuns: 200 },
    );
  },
);

/** Bytes that resemble one of the modes, so that random input passes the first checks. */
const nearly = () =>
  fc
    .array(
      fc.oneof(
        fc.uint8Array({ maxLength: 14 }),
        fc
          .constantFrom('{"a":1}', '{"a":"\\u0000"}', '[{}]', '\n', '\r\n', 'beatID', 'eyJ', '=', 'HZ', '{}')
          .map((text) => Buffer.from(text)),
        fc
          .constantFrom('{"a":1}', '{"b":"\\ud800"}', '[{}]', `{"c":"${'x'.repeat(50)}"}`)
          .chain((json) => fc.constantFrom(...rows.map(({ encode }) => encode(json)))),
        fc
          .tuple(fc.constantFrom(0, 1, 2), fc.constantFrom(0, 1, 2, 3), fc.constantFrom(0, 1), fc.nat(50))
          .map(([version, type, flags, length]) => Buffer.from([0x48, 0x5a, version, type, 0, flags, 0, 0, 0, length])),
      ),
      { maxLength: 12 },
    )
    .map((parts) => Buffer.concat(parts));

test.each(rows)(
  '$name: the decoder returns frames or one named error for any bytes and split, in bounded memory',
  (row) => {
    const limit = 40;
    fc.assert(
      fc.property(nearly(), fc.array(fc.nat(), { maxLength: 12 }), (bytes, places) => {
        const end = Buffer.from('\n');
        expect(decode(row.decoder(limit), [...cut(bytes, places), end])).toEqual(
          decode(row.decoder(limit), [bytes, end]),
        );
        const decoder = row.decoder(limit);
        try {
          for (const chunk of cut(bytes, places)) {
            decoder.push(chunk, () => undefined);
            expect(decoder.heldBytes).toBeLessThanOrEqual(limit + row.grace(limit));
          }
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
          expect(decoder.heldBytes).toBe(0);
        }
      }),
      { numRuns: 1000 },
    );
  },
);

test('HzDecoder refuses a header with a length above the limit before it holds any of the body', () => {
  const header = encodeHzFrame('{}').slice(0, HZ.headerBytes);
  new DataView(header.buffer).setUint32(HZ.bodyLengthAt, 0xffff_ffff);
  expect(decode(new HzDecoder(65_536), [header])).toEqual({ frames: [], error: 'frameTooLarge' });
  const honest = new HzDecoder(65_536);
  new DataView(header.buffer).setUint32(HZ.bodyLengthAt, 65_536);
  honest.push(header, () => undefined);
  expect(honest.heldBytes).toBe(HZ.headerBytes);
});

test('decodeBase64 decodes base64 with and without padding', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 50 }), (bytes) => {
      const text = Buffer.from(bytes).toString('base64');
      expect(Buffer.from(decodeBase64(Buffer.from(text)) ?? [])).toEqual(Buffer.from(bytes));
      expect(Buffer.from(decodeBase64(Buffer.from(text.replaceAll('=', ''))) ?? [])).toEqual(Buffer.from(bytes));
    }),
  );
});

test('decodeBase64 returns undefined for any other text', () => {
  const strict = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?$/;
  const unit = fc.constantFrom(...'AZaz09+/=-_ .\n\r\0\u00e9\u00ff');
  fc.assert(
    fc.property(fc.string({ unit, maxLength: 12 }), (text) => {
      expect(decodeBase64(Buffer.from(text, 'latin1')) !== undefined).toBe(strict.test(text));
    }),
    { numRuns: 2_000 },
  );
});

test.each(['A', 'AAAAA', 'AA=A', 'A===', 'AA=', 'AAA==', 'AAAA====', 'AA-_', 'AA AA', '====', 'AAAA='])(
  'decodeBase64 returns undefined for %s',
  (text) => expect(decodeBase64(Buffer.from(text))).toBeUndefined(),
);

test.each(rows)(
  '$name: a decoder paused after each frame delivers the same frames, one per resume',
  ({ decoder, encode }) => {
    const bytes = Buffer.concat([
      ...FRAMES.map((frame) => encode(JSON.stringify(frame))),
      encode('{"rest":1}').subarray(0, 3),
    ]);
    for (let at = 0; at <= bytes.length; at++) {
      const paused = decoder(1024);
      const frames: unknown[] = [];
      const take = (frame: unknown): void => {
        frames.push(frame);
        paused.pause();
      };
      for (const piece of [bytes.subarray(0, at), bytes.subarray(at)]) {
        // The decoder must copy the bytes: a socket may reuse its buffer.
        const lent = Buffer.from(piece);
        paused.push(lent, take);
        lent.fill(0);
      }
      expect(frames.length).toBeLessThanOrEqual(1);
      while (paused.keptBytes > 0) {
        const before = frames.length;
        paused.resume(take);
        expect(frames.length - before).toBeLessThanOrEqual(1);
      }
      expect(frames).toEqual(FRAMES);
      expect(paused.heldBytes).toBe(3);
    }
  },
);
