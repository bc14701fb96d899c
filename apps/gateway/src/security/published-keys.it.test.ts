import { generateKeyPairSync } from 'node:crypto';
import { eventually } from '@huizhi/dev-env';
import { beforeEach, expect, jest, test } from '@jest/globals';
import type { Authenticator } from '../login/authenticator.js';
import {
  ES256,
  es256,
  good,
  KeyPublisher,
  old,
  ourKey,
  ours,
  refuses,
  seconds,
  theirs,
  token,
} from '../testing/hand-made-tokens.js';

const keys = KeyPublisher.forAllTests();
let byKeys: Authenticator;
beforeEach(() => {
  byKeys = keys.authenticator();
});

/** Only the wall clock is the test's. */
const REAL_TIMERS = [
  ...(['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate', 'setInterval', 'clearInterval'] as const),
  ...(['nextTick', 'queueMicrotask', 'performance', 'hrtime'] as const),
];

test('keys nobody has published are not asked for again and again, whatever they are called', async () => {
  const kids = [
    '../../etc/passwd',
    'http://127.0.0.1/',
    "' or 1=1 --",
    '__proto__',
    'constructor',
    'x'.repeat(10_000),
    '',
    'k1\u0000',
  ];
  for (let n = 0; n < 60; n++) {
    await refuses(byKeys, token({ alg: 'ES256', kid: kids[n] ?? `unknown-${n}` }, old, es256(ours.privateKey)));
  }
  expect(keys.visits).toEqual(['/keys']);
  await byKeys('alice', token(ES256, good, es256(ours.privateKey)));
});

test.each([
  ['fails', { status: 500, body: '' }],
  ['answers nonsense', { status: 200, body: 'nonsense' }],
])(
  'a server of keys that %s is left alone for a while, and nobody is told that their token is bad',
  async (_, broken) => {
    keys.answer = broken;
    const made = token(ES256, good, es256(ours.privateKey));
    for (let n = 0; n < 40; n++) await refuses(byKeys, made, 'unavailable');
    expect(keys.visits.length).toBeLessThan(5);
  },
);

test('a server of keys that fails later does no harm to who has a key that is known', async () => {
  const made = token(ES256, good, es256(ours.privateKey));
  await byKeys('alice', made);
  keys.answer = { status: 500, body: '' };
  for (let n = 0; n < 5; n++) {
    await refuses(byKeys, token({ alg: 'ES256', kid: `unknown-${n}` }, old, es256(theirs.privateKey)));
    await byKeys('alice', made);
  }
});

test('keys that are known go on being good when it is time to ask for them again and their server fails', async () => {
  const asks = keys.authenticator({ refresh: 0, cooldown: 0, rest: 0 });
  const made = token(ES256, good, es256(ours.privateKey));
  await asks('alice', made);
  for (const body of ['nonsense', '{"keys":"none"}', '']) {
    keys.answer = { status: body === '' ? 500 : 200, body };
    await asks('alice', made);
  }
  expect(keys.visits).toHaveLength(4);
});

test('keys that are known are good for a day at most without a word of their server', async () => {
  const forgets = keys.authenticator({ lastGood: 0, rest: 0 });
  const made = token(ES256, good, es256(ours.privateKey));
  await forgets('alice', made);
  keys.answer = { status: 500, body: '' };
  await refuses(forgets, made, 'unavailable');
});

test('keys that are old are asked for again at most every 30 seconds', async () => {
  const asks = keys.authenticator({ refresh: 0, rest: 0 });
  const made = token(ES256, good, es256(ours.privateKey));
  for (let n = 0; n < 40; n++) await asks('alice', made);
  expect(keys.visits).toHaveLength(1);
});

test('a key that is published no more is good until the keys are read again', async () => {
  const asks = keys.authenticator({ refresh: 0, cooldown: 0, rest: 0 });
  const made = token(ES256, good, es256(ours.privateKey));
  await asks('alice', made);
  await byKeys('alice', made);
  keys.publish();
  await byKeys('alice', made);
  await refuses(asks, made);
});

test('a token of a key published after the keys were read is refused for now only, and taken when they may be read', async () => {
  const asks = keys.authenticator({ cooldown: 0, rest: 0 });
  const before = token(ES256, good, es256(ours.privateKey));
  await byKeys('alice', before);
  await asks('alice', before);
  const newKey = { ...theirs.publicKey.export({ format: 'jwk' }), kid: 'k2', alg: 'ES256', use: 'sig' };
  keys.publish(ourKey, newKey);
  for (const payload of [good, { ...good, iat: seconds(0) }]) {
    const made = token({ alg: 'ES256', kid: 'k2' }, payload, es256(theirs.privateKey));
    await refuses(byKeys, made, 'unavailable');
    await asks('alice', made);
  }
  // One that says that it is older than what is known of keys cannot be of a newer one: not for now only.
  await refuses(byKeys, token({ alg: 'ES256', kid: 'k2' }, old, es256(theirs.privateKey)));
});

test.each([
  ['an iat ahead', `"iat":${seconds(600)}`],
  ['an iat in milliseconds', `"iat":${Date.now()}`],
  ['an iat that is infinite', '"iat":1e400'],
  ['an iat that is text', '"iat":"now"'],
  ['an exp in the past', `"exp":${seconds(-1)}`],
])('a token of an unknown key with %s is refused for good: no key can mend it', async (_, fields) => {
  await byKeys('alice', token(ES256, good, es256(ours.privateKey)));
  const payload = `{"sub":"alice","exp":${good.exp},${fields}}`;
  await refuses(byKeys, token({ alg: 'ES256', kid: 'k2' }, payload, es256(theirs.privateKey)));
  expect(keys.visits).toHaveLength(1);
});

test.each([
  ['back', -3 * 86_400_000],
  ['ahead', 3 * 86_400_000],
])('keys are read again in time when the clock is set %s by days', async (_, by) => {
  const asks = keys.authenticator({ refresh: 200, cooldown: 0, rest: 0 });
  const made = token(ES256, { ...good, exp: seconds(30 * 86_400) }, es256(ours.privateKey));
  await asks('alice', made);
  jest.useFakeTimers({ now: Date.now() + by, doNotFake: REAL_TIMERS });
  try {
    keys.publish();
    await eventually('the withdrawn key to be noticed', () =>
      asks('alice', made).then(
        () => false,
        (error: unknown) => (error as { error: string }).error === 'badToken',
      ),
    );
  } finally {
    jest.useRealTimers();
  }
});

test('keys that are known stay good while their server fails when the clock is set ahead by days', async () => {
  const made = token(ES256, { ...good, exp: seconds(30 * 86_400) }, es256(ours.privateKey));
  await byKeys('alice', made);
  keys.answer = { status: 500, body: '' };
  jest.useFakeTimers({ now: Date.now() + 3 * 86_400_000, doNotFake: REAL_TIMERS });
  try {
    await byKeys('alice', made);
  } finally {
    jest.useRealTimers();
  }
});

/** A key of its own for each token: its place in the set is the test's. */
const publicKeyOf = (pair: typeof ours, more: object = {}): object => ({
  ...pair.publicKey.export({ format: 'jwk' }),
  ...more,
});
const newPair = (): typeof ours => generateKeyPairSync('ec', { namedCurve: 'P-256' });
const NO_KID = { alg: 'ES256' };

test('a token that names no key is accepted if any published key of its type proves it', async () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 }).publicKey.export({ format: 'jwk' });
  keys.publish(rsa, ourKey, publicKeyOf(theirs), publicKeyOf(newPair(), { kid: 'k3', use: 'enc' }));
  const authenticate = keys.authenticator({ rest: 0 });
  await authenticate('alice', token(NO_KID, good, es256(ours.privateKey)));
  await authenticate('alice', token(NO_KID, good, es256(theirs.privateKey)));
  await refuses(authenticate, token(NO_KID, good, es256(newPair().privateKey)));
  expect(keys.visits).toHaveLength(1);
});

test('a token whose key has the name of another one, too, is accepted', async () => {
  keys.publish(publicKeyOf(newPair(), { kid: 'k1' }), ourKey);
  await keys.authenticator()('alice', token(ES256, good, es256(ours.privateKey)));
});

test('the claims of a token that names no key are checked', async () => {
  keys.publish(publicKeyOf(newPair()), ourKey, publicKeyOf(newPair()));
  const expired = token(NO_KID, { sub: 'alice', exp: seconds(-1) }, es256(ours.privateKey));
  await refuses(keys.authenticator(), expired, 'tokenExpired');
  await refuses(keys.authenticator(), token(NO_KID, { ...good, sub: 'bob' }, es256(ours.privateKey)));
});

test('a token that names no key is tried with a bounded number of keys', async () => {
  const others = Array.from({ length: 40 }, () => publicKeyOf(newPair()));
  keys.publish(...others.slice(0, 15), ourKey, ...others.slice(15));
  await keys.authenticator()('alice', token(NO_KID, good, es256(ours.privateKey)));
  keys.publish(...others, ourKey);
  await refuses(keys.authenticator(), token(NO_KID, good, es256(ours.privateKey)));
});
