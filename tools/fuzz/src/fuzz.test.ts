import { expect, test } from '@jest/globals';
import { JsonLinesDecoder } from '@huizhi/protocol';
import { codecs, type Codec } from './codec-target.js';
import { seeds } from './corpus.js';
import { fuzzCodec } from './fuzz-codec.js';

test('1,000 mutated inputs violate no invariant of the codecs, and the search finds new code paths', () => {
  const corpus = seeds();
  // In addition to the corpus itself, which runs first.
  const enough = corpus.length + 1_000;
  const run = fuzzCodec({ seed: 1, corpus, isOver: ({ executions }) => executions >= enough });
  expect(run.findings).toEqual([]);
  expect(run.corpus.length).toBeGreaterThan(corpus.length);
  expect(run.coverage.ran).toBeGreaterThan(1_000);
});

/** Defects of a decoder that the search must find. */
const mistakes: [string, (decoder: JsonLinesDecoder) => JsonLinesDecoder][] = [
  [
    'throws an error that is no ProtocolError',
    (decoder) => saboteur(decoder, (bytes) => bytes.includes(0x80) && fail(new TypeError('oops'))),
  ],
  [
    'depends on the cuts of the bytes',
    (decoder) => saboteur(decoder, (bytes) => bytes.length === 7 && fail(new RangeError('seven'))),
  ],
  [
    'changes the prototype of all objects',
    (decoder) => saboteur(decoder, (bytes) => bytes.includes(0x5b) && pollute()),
  ],
];

test.each(mistakes)('fuzzCodec() reports a decoder that %s', (_, spoil) => {
  const [json] = codecs as [Codec];
  const spoilt: Codec = { ...json, decoder: (limit) => spoil(new JsonLinesDecoder(limit)) };
  try {
    const run = fuzzCodec({
      seed: 1,
      corpus: seeds(),
      codecs: [spoilt],
      isOver: ({ executions, findings }) => findings.length > 0 || executions > 2_000,
    });
    expect(run.findings.length).toBeGreaterThan(0);
  } finally {
    delete (Object.prototype as Record<string, unknown>).polluted;
  }
});

function saboteur(decoder: JsonLinesDecoder, spoil: (bytes: Uint8Array) => unknown): JsonLinesDecoder {
  const push = decoder.push.bind(decoder);
  decoder.push = (bytes, ...more) => {
    spoil(bytes);
    push(bytes, ...more);
  };
  return decoder;
}

function fail(error: Error): never {
  throw error;
}

function pollute(): void {
  (Object.prototype as Record<string, unknown>).polluted = 1;
}
