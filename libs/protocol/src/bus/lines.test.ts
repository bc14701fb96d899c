import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decodeLines, encodeLines } from './lines.js';

const bytes = (text: string) => Buffer.from(text, 'utf8');

test.each([
  ['no bodies', [], '{"n":1}'],
  ['one body', ['{"a":1}'], '{"n":1}\n{"a":1}'],
  ['an empty body', [''], '{"n":1}\n'],
  ['empty bodies among others', ['', '{"a":1}', ''], '{"n":1}\n\n{"a":1}\n'],
])('encodeLines and decodeLines round-trip %s', (_, bodies, text) => {
  expect(encodeLines({ n: 1 }, bodies)).toBe(text);
  expect(decodeLines(bytes(text))).toEqual({ head: { n: 1 }, bodies });
});

test('decodeLines returns the encoded bodies unchanged for any JSON', () => {
  fc.assert(
    fc.property(fc.object(), fc.array(fc.json()), (head, bodies) => {
      const decoded = decodeLines(bytes(encodeLines({ head: JSON.stringify(head) }, bodies)));
      expect(decoded).toEqual({
        head: { head: JSON.stringify(head) },
        bodies: bodies.map((body) => body.toWellFormed()),
      });
    }),
  );
});

test('decodeLines does not split a body at Unicode line separators', () => {
  const body = JSON.stringify({ text: 'a\u2028b\u2029c\u0085d\r\n' });
  expect(decodeLines(bytes(encodeLines({}, [body]))).bodies).toEqual([body]);
});

test('decodeLines throws a SyntaxError when the head is not JSON', () => {
  expect(() => decodeLines(bytes(''))).toThrow(SyntaxError);
  expect(() => decodeLines(bytes('x\n{}'))).toThrow(SyntaxError);
});
