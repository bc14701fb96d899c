import { expect, test } from '@jest/globals';
import { isCidr, TrustedProxies } from './trusted-proxies.js';

const CIDRS = ['10.0.0.0/8', '192.0.2.1', '2001:db8:ff::/48'];
const byList = new TrustedProxies(CIDRS, 'x-forwarded-for');
const byForwarded = new TrustedProxies(CIDRS, 'forwarded');

test.each([
  ['10.255.0.1', true],
  ['11.0.0.1', false],
  ['192.0.2.1', true],
  ['192.0.2.2', false],
  ['::ffff:10.0.0.1', true],
  ['::ffff:11.0.0.1', false],
  ['2001:db8:ff:1::1', true],
  ['2001:db8:ff:1::1%eth0', true],
  ['2001:db8:fe::1', false],
  ['', false],
  ['unknown', false],
])('address %s is trusted: %s', (address, trusted) => {
  expect(byList.has(address)).toBe(trusted);
});

test('no address is trusted when no network is configured', () => {
  expect(new TrustedProxies([], 'x-forwarded-for').has('10.0.0.1')).toBe(false);
});

test.each([
  ['203.0.113.9', '203.0.113.9'],
  ['203.0.113.9, 10.0.0.2, 192.0.2.1', '203.0.113.9'],
  ['1.1.1.1, 203.0.113.9', '203.0.113.9'],
  ['1.1.1.1, 203.0.113.9, 10.0.0.2', '203.0.113.9'],
  ['203.0.113.9:4711', '203.0.113.9'],
  ['[2001:db8::7]:4711', '2001:db8::7'],
  ['2001:db8::7', '2001:db8::7'],
  ['::ffff:203.0.113.9', '203.0.113.9'],
  ['10.0.0.3, 10.0.0.2', '10.0.0.3'],
  ['203.0.113.9, unknown', undefined],
  ['203.0.113.9, unknown, 10.0.0.2', '10.0.0.2'],
  ['nonsense', undefined],
  ['', undefined],
])('X-Forwarded-For "%s" gives the client address %s', (value, client) => {
  expect(byList.clientOf({ 'x-forwarded-for': value })).toBe(client);
});

test.each([
  ['for=203.0.113.9', '203.0.113.9'],
  ['For="[2001:db8::7]:4711";proto=https', '2001:db8::7'],
  ['by=10.0.0.9;for=203.0.113.9;proto=http', '203.0.113.9'],
  ['for=1.1.1.1, for=203.0.113.9, for=10.0.0.2', '203.0.113.9'],
  ['for="203.0.113.9:80", for="10.0.0.2"', '203.0.113.9'],
  ['for=unknown', undefined],
  ['for=_hidden', undefined],
  ['proto=https', undefined],
  ['for=1.1.1.1, proto=https', undefined],
  // A comma or a parameter within quotes does not begin a new element.
  ['host="a, for=1.1.1.1";for=203.0.113.9', '203.0.113.9'],
  ['host=";for=1.1.1.1;";for=203.0.113.9', '203.0.113.9'],
  ['for="1.1.1.1', undefined],
])('Forwarded "%s" gives the client address %s', (value, client) => {
  expect(byForwarded.clientOf({ forwarded: value })).toBe(client);
});

test('only the configured header counts, because a client may have set the other one', () => {
  const headers = { 'x-forwarded-for': '203.0.113.9', forwarded: 'for=1.1.1.1' };
  expect([byList.clientOf(headers), byForwarded.clientOf(headers)]).toEqual(['203.0.113.9', '1.1.1.1']);
  expect(byList.clientOf({ forwarded: 'for=1.1.1.1' })).toBeUndefined();
});

test.each([
  ['10.0.0.0/8', true],
  ['10.0.0.1', true],
  ['::1/128', true],
  ['fd00::/8', true],
  ['10.0.0.0/33', false],
  ['::/129', false],
  ['10.0.0.0/8/8', false],
  ['10.0.0.0/', false],
  ['fe80::1%eth0', false],
  ['proxy.example', false],
])('%s is a valid network: %s', (text, good) => {
  expect(isCidr(text)).toBe(good);
});
