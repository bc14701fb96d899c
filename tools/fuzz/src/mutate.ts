import { upSchemas } from '@huizhi/protocol';
import type { Random } from './random.js';

/** Longer inputs find no more than shorter ones and are slower. */
export const MAX_INPUT_BYTES = 8 * 1024;

/** A marker for user text and tokens: no error message may quote it. */
export const MARK = 'Zq9wMARKx7';

const SYNTAX = ['{', '}', '[', ']', ':', ',', '"', '\\', '{}', '[]', '""', 'null', 'true', 'false', '\n', '\r\n', '\r'];
const NUMBERS = [
  ...['0', '-0', '1', '-1', '1.5', '1e3', '1e15', '1e308', '1e999', '-1e999', '0.1e-400', '007', '00', '2.'],
  ...['2147483648', '4294967296', '9007199254740991', '9007199254740992', '18446744073709551616'],
];
const TEXTS = [
  ...[
    '\\u0000',
    '\\ud83d',
    '\\ude00',
    '\\ud83d\\ude00',
    '\\u0022',
    '\\/',
    '\\x',
    '\u{1f600}',
    '回',
    '\ufeff',
    '\u2028',
  ],
  ...['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'toJSON', 'length', 'then', MARK],
];
const VALUES = ['alice', 'bob', 'userChat', 'groupChat', 'text', 'tip', 'repeal', 'a.b.c', '1024', 'x'.repeat(65)];
const BYTES = [
  ...[[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf0, 0x9f, 0x98], [0xf5], [0x00], [0x80]],
  // Binary frame headers with a wrong body length.
  ...[
    [0x48, 0x5a, 1, 1, 0, 0, 0, 0, 0, 2],
    [0x48, 0x5a, 1, 1, 0, 0, 0xff, 0xff, 0xff, 0xff],
    [0x48, 0x5a, 1, 2, 0, 0, 0, 0, 0, 1],
  ],
].map((bytes) => Uint8Array.from(bytes));
const HTTP = [
  'GET / HTTP/1.1\r\n',
  'Upgrade: websocket\r\n',
  'Sec-WebSocket-Key: ',
  'YmVhdElE',
  'beatID',
  'ey',
  '=',
  '==',
];

const names = Object.entries(upSchemas).flatMap(([type, schema]) => [type, ...Object.keys(schema.properties)]);
const utf8 = new TextEncoder();

const DICTIONARY: readonly Uint8Array[] = [
  ...[...SYNTAX, ...NUMBERS, ...TEXTS, ...HTTP].map((text) => utf8.encode(text)),
  ...[...new Set([...names, ...VALUES])].flatMap((name) =>
    [`"${name}"`, `"${name}":`].map((text) => utf8.encode(text)),
  ),
  ...BYTES,
];

type Mutation = (input: Uint8Array, random: Random, other: Uint8Array) => Uint8Array;

const flip: Mutation = (input, random) => {
  if (input.length === 0) return random.bytes(1);
  const copy = input.slice();
  const at = random.below(copy.length);
  copy[at] = (copy[at] as number) ^ (1 << random.below(8));
  return copy;
};
const overwrite: Mutation = (input, random) => {
  const at = random.below(input.length + 1);
  const some = random.bytes(1 + random.below(4));
  return joined(input.subarray(0, at), some, input.subarray(at + some.length));
};
const insertToken: Mutation = (input, random) => {
  const at = random.below(input.length + 1);
  return joined(input.subarray(0, at), random.of(DICTIONARY), input.subarray(at));
};
const replaceByToken: Mutation = (input, random) => {
  const [from, to] = span(input, random);
  return joined(input.subarray(0, from), random.of(DICTIONARY), input.subarray(to));
};
const remove: Mutation = (input, random) => {
  const [from, to] = span(input, random);
  return joined(input.subarray(0, from), input.subarray(to));
};
const repeat: Mutation = (input, random) => {
  const [from, to] = span(input, random);
  const piece = input.subarray(from, to);
  const times = random.oneIn(8) ? 1 + random.below(400) : 1 + random.below(4);
  return joined(input.subarray(0, to), ...Array<Uint8Array>(times).fill(piece), input.subarray(to));
};
const splice: Mutation = (input, random, other) =>
  joined(input.subarray(0, random.below(input.length + 1)), other.subarray(random.below(other.length + 1)));
const append: Mutation = (input, _random, other) => joined(input, other);

/** Replaces the value or the name of a field in the first line: random bytes rarely stay valid JSON. */
const retype: Mutation = (input, random, other) => {
  const text = Buffer.from(input).toString('utf8');
  const values = [...text.matchAll(/"(\w+)":("(?:[^"\\]|\\.)*"|-?[\d.e+]+|true|false|null|\{[^{}]*\}|\[[^[\]]*\])/g)];
  if (values.length === 0) return insertToken(input, random, other);
  const { index, 0: whole, 1: name } = random.of(values);
  const value = random.of([
    ...NUMBERS.slice(0, 12),
    ...['null', 'true', '""', '"x"', '{}', '[]', '["a",1]', '[[[[]]]]', '{"text":"x"}', `"${MARK}"`],
    ...VALUES.map((word) => `"${word}"`),
  ]);
  const renamed = random.oneIn(4) ? random.of(names) : name;
  return utf8.encode(`${text.slice(0, index)}"${renamed}":${value}${text.slice(index + whole.length)}`);
};

const MUTATIONS = [
  flip,
  overwrite,
  insertToken,
  insertToken,
  replaceByToken,
  remove,
  repeat,
  splice,
  append,
  retype,
  retype,
];

/** Applies one to eight small changes to the input, some with parts of `other`. */
export function mutated(input: Uint8Array, random: Random, other: Uint8Array): Uint8Array {
  let result = input;
  const changes = 1 + random.below(random.oneIn(4) ? 8 : 3);
  for (let n = 0; n < changes; n++) result = random.of(MUTATIONS)(result, random, other).subarray(0, MAX_INPUT_BYTES);
  return result;
}

function span(input: Uint8Array, random: Random): [from: number, to: number] {
  const from = random.below(input.length + 1);
  const most = Math.min(input.length - from, random.oneIn(4) ? input.length : 16);
  return [from, from + random.below(most + 1)];
}

const joined = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));
