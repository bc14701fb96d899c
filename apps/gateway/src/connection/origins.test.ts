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
  ['only those that are listed', 'https://chat.example', 'chat.example', ['https://app.example'], false],
])('%s', (_, origin, host, allowed, expected) => {
  expect(isAllowedOrigin(origin, host, new Set(allowed))).toBe(expected);
});
