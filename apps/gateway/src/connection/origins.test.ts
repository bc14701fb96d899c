import { expect, test } from '@jest/globals';
import { isAllowedOrigin } from './origins.js';

const NONE: string[] = [];

test.each([
  ['no browser', undefined, 'chat.example', NONE, true],
  ['the same host', 'https://chat.example', 'chat.example', NONE, true],
  ['the same host and port', 'https://chat.example:7443', 'chat.example:7443', NONE, true],
  ['the scheme’s own port', 'https://chat.example', 'chat.example:443', NONE, true],
  ['other letters', 'https://Chat.Example', 'chat.example', NONE, true],
  ['another port', 'https://chat.example:8443', 'chat.example:7443', NONE, false],
  ['another host', 'https://evil.example', 'chat.example', NONE, false],
  ['a host that begins alike', 'https://chat.example.evil.example', 'chat.example', NONE, false],
  ['no origin to speak of', 'null', 'chat.example', NONE, false],
  ['no host', 'https://chat.example', undefined, NONE, false],
  ['a host that is none', 'https://chat.example', 'a b', NONE, false],
  ['one that is listed', 'https://app.example', 'chat.example', ['https://app.example'], true],
  ['a listed host with any port', 'http://localhost:5173', 'chat.example', ['http://localhost:*'], true],
  [
    'a listed host with any port, by the port of the scheme',
    'http://localhost',
    'chat.example',
    ['http://localhost:*'],
    true,
  ],
  ['a listed address with any port', 'http://[::1]:3000', 'chat.example', ['http://[::1]:*'], true],
  ['any port, by another scheme', 'https://localhost:5173', 'chat.example', ['http://localhost:*'], false],
  ['any port, of a host that begins alike', 'http://localhost.evil.example:80', 'x', ['http://localhost:*'], false],
  ['any port, of a host that ends alike', 'http://evil-localhost:80', 'x', ['http://localhost:*'], false],
  ['any port, with a user before the host', 'http://localhost:1@evil.example', 'x', ['http://localhost:*'], false],
  ['any port, no origin to speak of', 'null', 'x', ['http://localhost:*'], false],
  ['a star as the origin', 'http://localhost:*', 'x', [], false],
  ['only those that are listed', 'https://chat.example', 'chat.example', ['https://app.example'], false],
])('%s', (_, origin, host, allowed, expected) => {
  expect(isAllowedOrigin(origin, host, new Set(allowed))).toBe(expected);
});
