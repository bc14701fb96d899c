import { expect, test } from '@jest/globals';
import { encodeBase64Line } from './base64-lines.js';
import { encodeHzFrame } from './hz.js';
import { modeOf } from './mode.js';

const BEGINNINGS: [string, Uint8Array, ReturnType<typeof modeOf>][] = [
  ['a JSON line', Buffer.from('{"a":1}\n'), 'jsonLines'],
  ['base64 of {"', Buffer.from(encodeBase64Line('{"a":1}')), 'base64Lines'],
  ['base64 of {}', Buffer.from(encodeBase64Line('{}')), 'base64Lines'],
  ['base64 of { and a space', Buffer.from(encodeBase64Line('{ "a":1}')), 'base64Lines'],
  ['a version 1 heartbeat', Buffer.from('beatID\n'), 'base64Lines'],
  ['a version 1 heartbeat in base64', Buffer.from(encodeBase64Line('beatID\n')), 'base64Lines'],
  ['a binary frame', encodeHzFrame('{}'), 'hz'],
  ['an upgrade', Buffer.from('GET / HTTP/1.1\r\n'), 'http'],
  ['a form', Buffer.from('POST / HTTP/1.1\r\n'), 'http'],
  ['a health check', Buffer.from('HEAD /healthz HTTP/1.0\r\n'), 'http'],
  ['the longest HTTP method', Buffer.from('OPTIONS * HTTP/1.1\r\n'), 'http'],
  ['a PROXY header', Buffer.from('PROXY TCP4 192.0.2.7 127.0.0.1 50000 7000\r\n'), undefined],
  ['nearly HEAD', Buffer.from('HEADS'), undefined],
  ['nearly GET', Buffer.from('GETX'), undefined],
  ['HTTP/2', Buffer.from('PRI * HTTP/2.0\r\n'), 'http'],
  ['nearly HZ', Buffer.from('Hello'), undefined],
  ['nearly base64 of an object', Buffer.from('eBay'), undefined],
  ['nearly a heartbeat', Buffer.from('beat it'), undefined],
  ['an array', Buffer.from('[{}]'), undefined],
  ['TLS within TLS', Buffer.from([0x16, 0x03, 0x01]), undefined],
  ['an empty line', Buffer.from('\n{}'), undefined],
];

test.each(BEGINNINGS)('modeOf decides %s for bytes that arrive one by one', (_, bytes, mode) => {
  expect(modeOf(bytes)).toBe(mode);
  let length = 0;
  while (modeOf(bytes.subarray(0, length)) === 'undecided') length++;
  expect(length).toBeLessThanOrEqual(8);
  for (; length <= bytes.length; length++) expect(modeOf(bytes.subarray(0, length))).toBe(mode);
});

test('modeOf accepts exactly the second characters that the base64 of { can have', () => {
  for (let byte = 0; byte < 256; byte++) {
    const encoded = Buffer.from(Uint8Array.of(0x7b, byte, byte)).toString('base64');
    expect(modeOf(Buffer.from(encoded))).toBe('base64Lines');
  }
  for (let byte = 0; byte < 256; byte++) {
    const isOfBrace = Buffer.from(`e${String.fromCharCode(byte)}AA`, 'latin1').toString('latin1');
    const expected = /^e[w-z0-9+/]/.test(isOfBrace) ? 'base64Lines' : undefined;
    expect(modeOf(Buffer.from(isOfBrace, 'latin1'))).toBe(expected);
  }
});
