import { describe, expect, test } from '@jest/globals';
import { addressOf, webSocketUrl } from './address.js';

describe('addressOf', () => {
  test.each([
    ['tls://chat.example.org:4433', { host: 'chat.example.org', port: 4433, mode: 'lines', tls: true }],
    ['tcp://127.0.0.1:1', { host: '127.0.0.1', port: 1, mode: 'lines', tls: false }],
    ['tls+hz://chat.example.org:4433', { host: 'chat.example.org', port: 4433, mode: 'frames', tls: true }],
    ['tcp+hz://[::1]:65535', { host: '::1', port: 65_535, mode: 'frames', tls: false }],
    ['wss://chat.example.org', { host: 'chat.example.org', port: 443, mode: 'websocket', tls: true, path: '/' }],
    ['ws://[::1]:8080/im?x=1', { host: '::1', port: 8080, mode: 'websocket', tls: false, path: '/im?x=1' }],
  ])('parses %s', (url, address) => {
    expect(addressOf(url)).toEqual(address);
  });

  test.each([
    'chat.example.org:4433',
    'https://chat.example.org',
    'tls://chat.example.org',
    'tls://:4433',
    '',
    'tls://a:0',
  ])('throws a TypeError for "%s"', (url) => {
    expect(() => addressOf(url)).toThrow(TypeError);
  });

  test('returns an address that webSocketUrl converts back to the same URL', () => {
    for (const url of ['wss://chat.example.org:444/', 'ws://[::1]:8080/im?x=1', 'wss://chat.example.org:443/']) {
      expect(webSocketUrl(addressOf(url))).toBe(url);
    }
  });
});
