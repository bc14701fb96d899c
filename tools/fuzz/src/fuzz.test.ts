import { expect, test } from '@jest/globals';
import { JsonLinesDecoder } from '@huizhi/protocol';
import { codecs, type Codec } from './codec-target.js';
import { seeds } from './corpus.js';
import { fuzzCodec } from './fuzz-codec.js';

test('some thousand mutated inputs break nothing in the codecs, and the search finds new ways through them', () => {
  const corpus = seeds();
  // Beyond the corpus itself, which is executed first.
  const enough = corpus.length + 1_000;
  const run = fuzzCodec({ seed: 1, corpus, isOver: ({ executions }) => executions >= enough });
  expect(run.findings).toEqual([]);
  expect(run.corpus.length).toBeGreaterThan(corpus.length);
  expect(run.coverage.ran).toBeGreaterThan(1_000);
});

/** Mistakes a decoder could have, each of which the search must find. */
const mistakes: [string, (decoder: JsonLinesDecoder) => JsonLinesDecoder][] = [
  [
    'throws what has no name',
    (decoder) => saboteur(decoder, (bytes) => bytes.includes(0x80) && fail(new TypeError('oops'))),
  ],
  [
    'depends on how the bytes are cut',
    (decoder) => saboteur(decoder, (bytes) => bytes.length === 7 && fail(new RangeError('seven'))),
  ],
  ['changes all objects', (decoder) => saboteur(decoder, (bytes) => bytes.includes(0x5b) && pollute())],
];

test.each(mistakes)('a decoder that %s is found', (_, spoil) => {
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
