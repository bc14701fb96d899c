import { expect, test } from '@jest/globals';
import { parseProxyHeader, ProxyHeaderError } from './proxy-header.js';

const SIGNATURE = '0d0a0d0a000d0a515549540a';

/** Version 2: version and command, family and transport, then addresses and TLVs (all hexadecimal). */
function v2(command: string, family: string, rest: string, length = rest.length / 2): Buffer {
  return Buffer.from(`${SIGNATURE}${command}${family}${length.toString(16).padStart(4, '0')}${rest}`, 'hex');
}

const IPV4 = 'c0000207' + '7f000001' + 'c350' + '1b58';
const IPV6 = '20010db8000100020003000400050006' + '00000000000000000000000000000001' + 'c350' + '1b58';
const MAPPED = '00000000000000000000ffffc0000207' + '00000000000000000000ffff7f000001' + 'c350' + '1b58';
/** PP2_TYPE_ALPN, PP2_TYPE_AUTHORITY and PP2_TYPE_NOOP. */
const TLVS = '010002' + '6832' + '020005' + '612e636e2e' + '040003' + '000000';

const good: [string, Buffer, string | undefined][] = [
  ['version 1, TCP4', Buffer.from('PROXY TCP4 192.0.2.7 127.0.0.1 50000 7000\r\n'), '192.0.2.7'],
  ['version 1, TCP6', Buffer.from('PROXY TCP6 2001:db8::7 ::1 50000 7000\r\n'), '2001:db8::7'],
  ['version 1, UNKNOWN', Buffer.from('PROXY UNKNOWN\r\n'), undefined],
  ['version 1, UNKNOWN with addresses', Buffer.from('PROXY UNKNOWN 192.0.2.7 127.0.0.1 1 2\r\n'), undefined],
  [
    'version 1 of the greatest length',
    Buffer.from(`PROXY UNKNOWN ${`${'f'.repeat(38)} `.repeat(2)}${'65535 '.repeat(2).slice(0, 11)}\r\n`),
    undefined,
  ],
  ['version 2, IPv4', v2('21', '11', IPV4), '192.0.2.7'],
  ['version 2, IPv4 with TLVs', v2('21', '11', IPV4 + TLVS), '192.0.2.7'],
  ['version 2, IPv4 over UDP', v2('21', '12', IPV4), '192.0.2.7'],
  ['version 2, IPv6', v2('21', '21', IPV6), '2001:db8:1:2:3:4:5:6'],
  ['version 2, IPv6 with TLVs', v2('21', '21', IPV6 + TLVS), '2001:db8:1:2:3:4:5:6'],
  ['version 2, an IPv4 address within IPv6', v2('21', '21', MAPPED), '192.0.2.7'],
  ['version 2, LOCAL', v2('20', '00', ''), undefined],
  ['version 2, LOCAL with addresses', v2('20', '11', IPV4), undefined],
  ['version 2, UNSPEC', v2('21', '00', TLVS), undefined],
  ['version 2, UNIX', v2('21', '31', '00'.repeat(216)), undefined],
  ['version 2 with 4,096 bytes', v2('21', '11', IPV4 + '00'.repeat(4_084)), '192.0.2.7'],
];

test.each(good)('the parser reads a header that arrives byte by byte: %s', (_, bytes, address) => {
  for (let length = 0; length < bytes.length; length++) {
    expect(parseProxyHeader(bytes.subarray(0, length))).toBeUndefined();
  }
  expect(parseProxyHeader(bytes)).toEqual({ length: bytes.length, address });
  // The bytes after the header belong to the client.
  expect(parseProxyHeader(Buffer.concat([bytes, Buffer.from('\r\n{"a":1}')]))).toEqual({
    length: bytes.length,
    address,
  });
});

const bad: [string, Buffer][] = [
  ['TLS', Buffer.from([0x16, 0x03, 0x01])],
  ['a JSON line', Buffer.from('{"messageType":"login"}\n')],
  ['a word in lower case', Buffer.from('proxy TCP4 192.0.2.7 127.0.0.1 1 2\r\n')],
  ['version 1 with another family', Buffer.from('PROXY UDP4 192.0.2.7 127.0.0.1 1 2\r\n')],
  ['version 1 with an address of the other family', Buffer.from('PROXY TCP4 ::1 ::1 1 2\r\n')],
  ['version 1 with a name for an address', Buffer.from('PROXY TCP4 localhost 127.0.0.1 1 2\r\n')],
  ['version 1 without ports', Buffer.from('PROXY TCP4 192.0.2.7 127.0.0.1\r\n')],
  ['version 1 with an invalid port', Buffer.from('PROXY TCP4 192.0.2.7 127.0.0.1 1 65536\r\n')],
  ['version 1 with an extra word', Buffer.from('PROXY TCP4 192.0.2.7 127.0.0.1 1 2 3\r\n')],
  ['version 1 ended by CR alone', Buffer.from('PROXY UNKNOWN\r{}')],
  ['version 1 without an end', Buffer.from(`PROXY UNKNOWN ${'x'.repeat(93)}`)],
  ['version 1 ended by LF alone', Buffer.from(`PROXY TCP4 192.0.2.7 127.0.0.1 1 2\n${'{}\n'.repeat(30)}`)],
  ['version 2 with another signature', Buffer.from('0d0a0d0a000d0a515549540b', 'hex')],
  ['version 3', v2('31', '11', IPV4)],
  ['version 2 with an unknown command', v2('22', '11', IPV4)],
  ['version 2 with an unknown family', v2('21', '41', IPV4)],
  ['version 2, IPv4, too short', v2('21', '11', IPV4.slice(2))],
  ['version 2, IPv6, too short', v2('21', '21', IPV6.slice(2))],
  ['version 2 with more than 4,096 bytes', v2('21', '11', '', 4_097)],
];

test.each(bad)('the parser refuses bytes that are not a header: %s', (_, bytes) => {
  let refusedAt = -1;
  for (let length = 0; length <= bytes.length && refusedAt === -1; length++) {
    try {
      expect(parseProxyHeader(bytes.subarray(0, length))).toBeUndefined();
    } catch (error) {
      expect(error).toBeInstanceOf(ProxyHeaderError);
      refusedAt = length;
    }
  }
  expect(refusedAt).toBeGreaterThan(0);
  expect(() => parseProxyHeader(bytes)).toThrow(ProxyHeaderError);
});

test('the parser never waits for more than 4,112 bytes', () => {
  const longest = v2('21', '11', IPV4 + '00'.repeat(4_084));
  expect(longest).toHaveLength(4_112);
  for (const start of [Buffer.from('PROXY '), longest.subarray(0, 16)]) {
    const bytes = Buffer.concat([start, Buffer.alloc(4_112 - start.length, 0x41)]);
    try {
      expect(parseProxyHeader(bytes)).toBeDefined();
    } catch (error) {
      expect(error).toBeInstanceOf(ProxyHeaderError);
    }
  }
});
