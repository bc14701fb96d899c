import { expect, test } from '@jest/globals';
import { isAllowedOrigin } from './origins.js';

const NONE: string[] = [];

test.each([
  ['no origin header', undefined, 'chat.example', NONE, true],
  ['the same host', 'https://chat.example', 'chat.example', NONE, true],
  ['the same host and port', 'https://chat.example:7443', 'chat.example:7443', NONE, true],
  ['the default port of the scheme', 'https://chat.example', 'chat.example:443', NONE, true],
  ['different case', 'https://Chat.Example', 'chat.example', NONE, true],
  ['another port', 'https://chat.example:8443', 'chat.example:7443', NONE, false],
  ['another host', 'https://evil.example', 'chat.example', NONE, false],
  ['a host with the same prefix', 'https://chat.example.evil.example', 'chat.example', NONE, false],
  ['an opaque origin', 'null', 'chat.example', NONE, false],
  ['no host header', 'https://chat.example', undefined, NONE, false],
  ['an invalid host', 'https://chat.example', 'a b', NONE, false],
  ['a listed origin', 'https://app.example', 'chat.example', ['https://app.example'], true],
  ['a listed host with any port', 'http://localhost:5173', 'chat.example', ['http://localhost:*'], true],
  [
    'a listed host with any port, the default port of the scheme',
    'http://localhost',
    'chat.example',
    ['http://localhost:*'],
    true,
  ],
  ['a listed address with any port', 'http://[::1]:3000', 'chat.example', ['http://[::1]:*'], true],
  ['any port, another scheme', 'https://localhost:5173', 'chat.example', ['http://localhost:*'], false],
  ['any port, a host with the same prefix', 'http://localhost.evil.example:80', 'x', ['http://localhost:*'], false],
  ['any port, a host with the same suffix', 'http://evil-localhost:80', 'x', ['http://localhost:*'], false],
  ['any port, with a user before the host', 'http://localhost:1@evil.example', 'x', ['http://localhost:*'], false],
  ['any port, an opaque origin', 'null', 'x', ['http://localhost:*'], false],
  ['a wildcard sent by the client', 'http://localhost:*', 'x', [], false],
  ['the same host when a list is configured', 'https://chat.example', 'chat.example', ['https://app.example'], false],
])('the origin check handles %s', (_, origin, host, allowed, expected) => {
  expect(isAllowedOrigin(origin, host, new Set(allowed))).toBe(expected);
});
