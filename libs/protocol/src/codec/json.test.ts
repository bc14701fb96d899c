import { expect, test } from '@jest/globals';
import { ProtocolError, type ErrorName } from '../errors.js';
import { MAX_DEPTH, parseObject, parseServerFrame, parseServerText } from './json.js';

const parse = (text: string) => parseObject(Buffer.from(text, 'utf8'));

function refusal(bytes: Uint8Array): ErrorName {
  try {
    parseObject(bytes);
  } catch (error) {
    if (error instanceof ProtocolError) return error.error;
    throw error;
  }
  throw new Error('was not refused');
}

const nested = (levels: number, open: string, close: string) => `${open.repeat(levels)}1${close.repeat(levels)}`;

test('parseObject accepts objects and arrays nested up to the limit', () => {
  expect(parse(nested(MAX_DEPTH, '{"a":', '}'))).toBeDefined();
  expect(parse(`{"a":${nested(MAX_DEPTH - 1, '[', ']')}}`)).toBeDefined();
  expect(refusal(Buffer.from(nested(MAX_DEPTH + 1, '{"a":', '}')))).toBe('tooDeep');
  expect(refusal(Buffer.from(`{"a":${nested(MAX_DEPTH, '[', ']')}}`))).toBe('tooDeep');
  expect(refusal(Buffer.from(`{"a":${nested(20_000, '[', ']')}}`))).toBe('tooDeep');
  expect(refusal(Buffer.from(nested(20_000, '{"a":', '}')))).toBe('tooDeep');
});

test('parseObject accepts integers up to 2^53 − 1 and refuses numbers that would lose digits', () => {
  expect(parse('{"n":9007199254740991,"m":-9007199254740991}')).toEqual({ n: 9007199254740991, m: -9007199254740991 });
  for (const n of ['9007199254740992', '9007199254740993', '-9007199254740992', '1e16', '1e400', '-1e400']) {
    expect(refusal(Buffer.from(`{"content":{"n":[${n}]}}`))).toBe('badField');
  }
});

test('parseObject refuses __proto__ at any level, also escaped, and pollutes no prototype', () => {
  for (const text of ['{"__proto__":{"x":1}}', '{"a":[{"__proto__":1}]}', '{"\\u005f_proto__":{"x":1}}']) {
    expect(refusal(Buffer.from(text))).toBe('badField');
  }
  expect(({} as { x?: number }).x).toBeUndefined();
});

test('parseObject accepts fields with the names of inherited properties', () => {
  const frame = parse('{"constructor":1,"toString":2,"hasOwnProperty":3,"valueOf":null,"toJSON":"x"}');
  expect(JSON.parse(JSON.stringify(frame))).toEqual({
    constructor: 1,
    toString: 2,
    hasOwnProperty: 3,
    valueOf: null,
    toJSON: 'x',
  });
});

test('parseObject refuses NUL and unpaired surrogates in values and names', () => {
  for (const bad of ['\\u0000', '\\ud83d', '\\ude00', '\\ude00\\ud83d', '\\ud83dx']) {
    expect(refusal(Buffer.from(`{"a":"x${bad}"}`))).toBe('badText');
    expect(refusal(Buffer.from(`{"x${bad}":1}`))).toBe('badText');
    expect(refusal(Buffer.from(`{"content":{"a":["${bad}"]}}`))).toBe('badText');
  }
  expect(parse('{"a":"\\ud83d\\ude00"}')).toEqual({ a: '😀' });
});

test('parseObject returns the last value of a field that occurs twice', () => {
  expect(parse('{"a":1,"a":2}')).toEqual({ a: 2 });
});

test.each([
  '',
  ' ',
  '[]',
  '[{}]',
  '1',
  '"{}"',
  'null',
  'true',
  '{',
  '{}{}',
  "{'a':1}",
  '{"a":1,}',
  '{"a":NaN}',
  '{a:1}',
  '\ufeff{}',
  '{"a":"\t"}',
])('parseObject refuses %j as a frame', (text) => expect(refusal(Buffer.from(text))).toBe('badFrame'));

test.each([
  ['an overlong form', [0xc0, 0xaf]],
  ['a surrogate in UTF-8', [0xed, 0xa0, 0x80]],
  ['a character cut short', [0xf0, 0x9f, 0x98]],
  ['beyond U+10FFFF', [0xf4, 0x90, 0x80, 0x80]],
  ['Latin-1', [0xe9]],
])('parseObject refuses %s', (_, bytes) => {
  expect(refusal(Buffer.concat([Buffer.from('{"a":"'), Uint8Array.from(bytes), Buffer.from('"}')]))).toBe('badFrame');
});

test('parseServerFrame and parseServerText accept an object or an array of objects', () => {
  for (const text of ['{"a":1}', '[{"a":1},{}]', '[]']) {
    expect(parseServerText(text)).toEqual(JSON.parse(text));
    expect(parseServerFrame(Buffer.from(text))).toEqual(JSON.parse(text));
  }
  for (const text of ['', '1', 'null', '[1]', '[[]]', '{']) {
    expect(() => parseServerText(text)).toThrow(ProtocolError);
    expect(() => parseServerFrame(Buffer.from(text))).toThrow(ProtocolError);
  }
});
