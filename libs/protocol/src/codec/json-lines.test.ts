import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ProtocolError, type ErrorName } from '../errors.js';
import { JsonLinesDecoder, encodeJsonLine } from './json-lines.js';
import { MAX_EMPTY_LINES } from './lines.js';

type Frame = Record<string, unknown>;
interface Outcome {
  frames: Frame[];
  error?: ErrorName;
}

/** Frames that a decoder returns for these chunks, up to the first error. */
function decode(chunks: readonly Uint8Array[], limit = 1024): Outcome {
  const decoder = new JsonLinesDecoder(limit);
  const frames: Frame[] = [];
  try {
    for (const chunk of chunks) decoder.push(chunk, (frame) => void frames.push(frame));
  } catch (error) {
    if (error instanceof ProtocolError) return { frames, error: error.error };
    throw error;
  }
  return { frames };
}

const split = (bytes: Uint8Array, at: number) => [bytes.subarray(0, at), bytes.subarray(at)];
const oneByOne = (bytes: Uint8Array) => Array.from(bytes, (_, i) => bytes.subarray(i, i + 1));

/** Lines with every shape that a split can break. */
const STREAM = Buffer.from(
  '{"a":1}\n\n{"b":"回执😀é"}\r\n\r\n{"c":{"d":[true,null,"\\ud83d\\ude00"]}}\n{"rest":',
  'utf8',
);
const STREAM_FRAMES = [{ a: 1 }, { b: '回执😀é' }, { c: { d: [true, null, '😀'] } }];

test('the decoder returns the same frames for any split of the bytes', () => {
  for (let at = 0; at <= STREAM.length; at++) expect(decode(split(STREAM, at))).toEqual({ frames: STREAM_FRAMES });
  expect(decode(oneByOne(STREAM))).toEqual({ frames: STREAM_FRAMES });
});

test('the decoder delivers a frame when its line ends, and counts the held bytes of the next one', () => {
  const decoder = new JsonLinesDecoder(1024);
  const sizes: number[] = [];
  const push = (text: string) => decoder.push(Buffer.from(text), (_, size) => void sizes.push(size));
  push('{"a":');
  expect([sizes, decoder.heldBytes]).toEqual([[], 5]);
  push('1}\r\n{"b"');
  expect([sizes, decoder.heldBytes]).toEqual([[7], 4]);
  push(':2}\n');
  expect([sizes, decoder.heldBytes]).toEqual([[7, 7], 0]);
});

test.each(['\n', '\r\n'])(
  'the decoder accepts a frame of exactly the limit and refuses one byte more, at every split (%j)',
  (end) => {
    const exact = Buffer.from(`{"a":"bc"}${end}`);
    const over = Buffer.from(`{"a":"bcd"}${end}`);
    for (let at = 0; at <= exact.length; at++) expect(decode(split(exact, at), 10)).toEqual({ frames: [{ a: 'bc' }] });
    for (let at = 0; at <= over.length; at++) {
      expect(decode(split(over, at), 10)).toEqual({ frames: [], error: 'frameTooLarge' });
    }
    expect(decode(oneByOne(exact), 10)).toEqual({ frames: [{ a: 'bc' }] });
    expect(decode(oneByOne(over), 10)).toEqual({ frames: [], error: 'frameTooLarge' });
  },
);

test('the decoder refuses a line when it exceeds the limit, before the line ends', () => {
  expect(decode([Buffer.alloc(12, 'x')], 10).error).toBe('frameTooLarge');
  expect(decode(oneByOne(Buffer.alloc(12, 'x')), 10).error).toBe('frameTooLarge');
});

test('the decoder copies the bytes that it holds, so that the caller may reuse its buffer', () => {
  const decoder = new JsonLinesDecoder(1024);
  const frames: Frame[] = [];
  const reused = Buffer.from('{"a":1');
  decoder.push(reused, () => undefined);
  reused.fill('#');
  decoder.push(Buffer.from('}\n'), (frame) => void frames.push(frame));
  expect(frames).toEqual([{ a: 1 }]);
});

test('the decoder applies a changed limit to later frames in the same bytes', () => {
  const decoder = new JsonLinesDecoder(8);
  const frames: Frame[] = [];
  decoder.push(Buffer.from('{"a":1}\n{"long":"enough"}\n'), (frame) => {
    frames.push(frame);
    decoder.limit = 100;
  });
  expect(frames).toEqual([{ a: 1 }, { long: 'enough' }]);
});

test('the decoder drops remaining and later bytes when onFrame returns false', () => {
  const decoder = new JsonLinesDecoder(1024);
  const frames: Frame[] = [];
  const stop = (frame: Frame) => {
    frames.push(frame);
    return false;
  };
  decoder.push(Buffer.from('{"a":1}\n{"b":{"x":'), stop);
  decoder.push(Buffer.from('{"injected":1}\n'), stop);
  expect([frames, decoder.heldBytes]).toEqual([[{ a: 1 }], 0]);
});

test('the decoder throws again after an error of its own or of onFrame', () => {
  const bad = new JsonLinesDecoder(1024);
  const push = () => bad.push(Buffer.from('x\n{"a":1}\n'), () => undefined);
  expect(push).toThrow(ProtocolError);
  expect(push).toThrow(ProtocolError);
  expect(bad.heldBytes).toBe(0);

  const good = new JsonLinesDecoder(1024);
  const oops = new Error('the reader failed');
  const fail = () => {
    throw oops;
  };
  expect(() => good.push(Buffer.from('{"a":1}\n'), fail)).toThrow(oops);
  expect(() => good.push(Buffer.from('{"b":1}\n'), () => undefined)).toThrow(oops);
});

test('the decoder skips empty lines up to MAX_EMPTY_LINES in a row', () => {
  const quiet = Buffer.from('\n\r\n'.repeat(MAX_EMPTY_LINES / 2) + '{"a":1}\n');
  expect(decode([quiet, quiet])).toEqual({ frames: [{ a: 1 }, { a: 1 }] });
  const flood = Buffer.from('\n'.repeat(MAX_EMPTY_LINES + 1));
  expect(decode([flood])).toEqual({ frames: [], error: 'badFrame' });
  expect(decode(oneByOne(flood))).toEqual({ frames: [], error: 'badFrame' });
});

test('the decoder never quotes received bytes in an error', () => {
  for (const line of ['{"token":"SECRET"', '{"SECRET":1e999}', '{"SECRET":"\\u0000"}', '["SECRET"]', '"SECRET"']) {
    const decoder = new JsonLinesDecoder(1024);
    const push = () => decoder.push(Buffer.from(`${line}\n`), () => undefined);
    expect(push).toThrow(ProtocolError);
    expect(push).not.toThrow(/SECRET/);
  }
});

/** Any well-formed UTF-16 without NUL. */
const text = () => fc.string({ unit: 'binary' }).filter((s) => !s.includes('\0'));
const json = () =>
  fc.dictionary(
    text().filter((key) => key !== '__proto__'),
    fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 6 },
        text(),
        fc.maxSafeInteger(),
        fc.boolean(),
        fc.constant(null),
        fc.array(tie('value'), { maxLength: 4 }),
        fc.dictionary(
          text().filter((key) => key !== '__proto__'),
          tie('value'),
          { maxKeys: 4 },
        ),
      ),
    })).value,
    { maxKeys: 6 },
  );

/** Cuts bytes at the given places; any numbers are valid. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const at = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((start, i) => bytes.subarray(start, at[i] ?? bytes.length));
}

test('the decoder returns random frames unchanged for any split of the bytes', () => {
  fc.assert(
    fc.property(fc.array(json(), { maxLength: 5 }), fc.array(fc.nat(), { maxLength: 8 }), (frames, places) => {
      const bytes = Buffer.from(frames.map((frame) => encodeJsonLine(JSON.stringify(frame))).join(''));
      const plain = JSON.parse(JSON.stringify(frames)) as Frame[];
      expect(decode(cut(bytes, places), 1 << 20)).toEqual({ frames: plain });
    }),
    { numRuns: 300 },
  );
});

/** Bytes that resemble this protocol, so that random input passes the first checks. */
const nearly = () =>
  fc
    .array(
      fc.oneof(
        fc.uint8Array({ maxLength: 20 }),
        fc
          .constantFrom(
            '{"a":',
            '1}',
            '\n',
            '\r',
            '\r\n',
            '{}',
            '"',
            '\\u0000',
            '[[[',
            '😀',
            '\ufeff',
            '1e999',
            '"__proto__":1,',
          )
          .map((s) => Buffer.from(s)),
        fc.constantFrom([0xf0, 0x9f], [0xed, 0xa0, 0x80], [0xc0, 0x80], [0xff]).map((b) => Uint8Array.from(b)),
      ),
      { maxLength: 20 },
    )
    .map((parts) => Buffer.concat(parts));

test('the decoder returns frames or one named error for any bytes and split, within the limit of held bytes', () => {
  const limit = 40;
  fc.assert(
    fc.property(nearly(), fc.array(fc.nat(), { maxLength: 12 }), (bytes, places) => {
      const whole = decode([bytes, Buffer.from('\n')], limit);
      expect(decode([...cut(bytes, places), Buffer.from('\n')], limit)).toEqual(whole);

      const decoder = new JsonLinesDecoder(limit);
      try {
        for (const chunk of cut(bytes, places)) {
          decoder.push(chunk, () => undefined);
          expect(decoder.heldBytes).toBeLessThanOrEqual(limit + 1);
        }
      } catch (error) {
        expect(error).toBeInstanceOf(ProtocolError);
        expect(decoder.heldBytes).toBe(0);
      }
    }),
    { numRuns: 2000 },
  );
});

test('the decoder needs time linear in the length of a line that arrives byte by byte', () => {
  const line = Buffer.from(`{"a":"${'x'.repeat(65_000)}"}\n`);
  const decoder = new JsonLinesDecoder(65_536);
  let count = 0;
  for (const chunk of oneByOne(line)) decoder.push(chunk, () => void count++);
  expect(count).toBe(1);
});

test('the decoder reports a frame with refused content in order and continues', () => {
  const decoder = new JsonLinesDecoder(1000);
  const seen: unknown[] = [];
  decoder.push(
    new TextEncoder().encode('{"n":1}\n{"n":2,"text":"\\u0000"}\n{"n":3}\n'),
    (frame) => void seen.push(frame.n),
    (error) => void seen.push([error.frame.n, error.error]),
  );
  expect(seen).toEqual([1, [2, 'badText'], 3]);
});
