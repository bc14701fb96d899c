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

/** Timers that stay real; the test controls only the wall clock. */
const REAL_TIMERS = [
  ...(['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate', 'setInterval', 'clearInterval'] as const),
  ...(['nextTick', 'queueMicrotask', 'performance', 'hrtime'] as const),
];

test('the gateway does not fetch the keys repeatedly when tokens name unpublished keys', async () => {
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
  ['returns invalid data', { status: 200, body: 'nonsense' }],
])('a key server that %s is asked rarely, and logins are refused only temporarily', async (_, broken) => {
  keys.answer = broken;
  const made = token(ES256, good, es256(ours.privateKey));
  for (let n = 0; n < 40; n++) await refuses(byKeys, made, 'unavailable');
  expect(keys.visits.length).toBeLessThan(5);
});

test('a known key stays valid when the key server fails later', async () => {
  const made = token(ES256, good, es256(ours.privateKey));
  await byKeys('alice', made);
  keys.answer = { status: 500, body: '' };
  for (let n = 0; n < 5; n++) {
    await refuses(byKeys, token({ alg: 'ES256', kid: `unknown-${n}` }, old, es256(theirs.privateKey)));
    await byKeys('alice', made);
  }
});

test('known keys stay valid when their refresh is due and the key server fails', async () => {
  const asks = keys.authenticator({ refresh: 0, cooldown: 0, rest: 0 });
  const made = token(ES256, good, es256(ours.privateKey));
  await asks('alice', made);
  for (const body of ['nonsense', '{"keys":"none"}', '']) {
    keys.answer = { status: body === '' ? 500 : 200, body };
    await asks('alice', made);
  }
  expect(keys.visits).toHaveLength(4);
});

test('known keys expire after a day when the key server does not answer', async () => {
  const forgets = keys.authenticator({ lastGood: 0, rest: 0 });
  const made = token(ES256, good, es256(ours.privateKey));
  await forgets('alice', made);
  keys.answer = { status: 500, body: '' };
  await refuses(forgets, made, 'unavailable');
});

test('old keys are fetched again at most every 30 seconds', async () => {
  const asks = keys.authenticator({ refresh: 0, rest: 0 });
  const made = token(ES256, good, es256(ours.privateKey));
  for (let n = 0; n < 40; n++) await asks('alice', made);
  expect(keys.visits).toHaveLength(1);
});

test('a withdrawn key is valid until the keys are fetched again', async () => {
  const asks = keys.authenticator({ refresh: 0, cooldown: 0, rest: 0 });
  const made = token(ES256, good, es256(ours.privateKey));
  await asks('alice', made);
  await byKeys('alice', made);
  keys.publish();
  await byKeys('alice', made);
  await refuses(asks, made);
});

test('a token of a newer key is refused temporarily, and accepted once the keys may be fetched', async () => {
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
  // A token issued before the last fetch cannot be signed with a newer key, so its refusal is permanent.
  await refuses(byKeys, token({ alg: 'ES256', kid: 'k2' }, old, es256(theirs.privateKey)));
});

test.each([
  ['an iat ahead', `"iat":${seconds(600)}`],
  ['an iat in milliseconds', `"iat":${Date.now()}`],
  ['an iat that is infinite', '"iat":1e400'],
  ['an iat that is text', '"iat":"now"'],
  ['an exp in the past', `"exp":${seconds(-1)}`],
])('a token of an unknown key with %s is refused permanently, because no key can make it valid', async (_, fields) => {
  await byKeys('alice', token(ES256, good, es256(ours.privateKey)));
  const payload = `{"sub":"alice","exp":${good.exp},${fields}}`;
  await refuses(byKeys, token({ alg: 'ES256', kid: 'k2' }, payload, es256(theirs.privateKey)));
  expect(keys.visits).toHaveLength(1);
});

test.each([
  ['back', -3 * 86_400_000],
  ['ahead', 3 * 86_400_000],
])('keys are fetched again in time when the clock is set %s by days', async (_, by) => {
  const asks = keys.authenticator({ refresh: 200, cooldown: 0, rest: 0 });
  const made = token(ES256, { ...good, exp: seconds(30 * 86_400) }, es256(ours.privateKey));
  await asks('alice', made);
  jest.useFakeTimers({ now: Date.now() + by, doNotFake: REAL_TIMERS });
  try {
    keys.publish();
    await eventually('the refusal of the withdrawn key', () =>
      asks('alice', made).then(
        () => false,
        (error: unknown) => (error as { error: string }).error === 'badToken',
      ),
    );
  } finally {
    jest.useRealTimers();
  }
});

test('known keys stay valid during a failure of the key server when the clock is set ahead by days', async () => {
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

/** A public key for the key set; the test chooses its place in the set. */
const publicKeyOf = (pair: typeof ours, more: object = {}): object => ({
  ...pair.publicKey.export({ format: 'jwk' }),
  ...more,
});
const newPair = (): typeof ours => generateKeyPairSync('ec', { namedCurve: 'P-256' });
const NO_KID = { alg: 'ES256' };

test('a token without a kid is accepted when any published key of its type verifies it', async () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 }).publicKey.export({ format: 'jwk' });
  keys.publish(rsa, ourKey, publicKeyOf(theirs), publicKeyOf(newPair(), { kid: 'k3', use: 'enc' }));
  const authenticate = keys.authenticator({ rest: 0 });
  await authenticate('alice', token(NO_KID, good, es256(ours.privateKey)));
  await authenticate('alice', token(NO_KID, good, es256(theirs.privateKey)));
  await refuses(authenticate, token(NO_KID, good, es256(newPair().privateKey)));
  expect(keys.visits).toHaveLength(1);
});

test('a token is accepted when its key shares the kid with another key', async () => {
  keys.publish(publicKeyOf(newPair(), { kid: 'k1' }), ourKey);
  await keys.authenticator()('alice', token(ES256, good, es256(ours.privateKey)));
});

test('the claims of a token without a kid are checked', async () => {
  keys.publish(publicKeyOf(newPair()), ourKey, publicKeyOf(newPair()));
  const expired = token(NO_KID, { sub: 'alice', exp: seconds(-1) }, es256(ours.privateKey));
  await refuses(keys.authenticator(), expired, 'tokenExpired');
  await refuses(keys.authenticator(), token(NO_KID, { ...good, sub: 'bob' }, es256(ours.privateKey)));
});

test('a token without a kid is tried with a bounded number of keys', async () => {
  const others = Array.from({ length: 40 }, () => publicKeyOf(newPair()));
  keys.publish(...others.slice(0, 15), ourKey, ...others.slice(15));
  await keys.authenticator()('alice', token(NO_KID, good, es256(ours.privateKey)));
  keys.publish(...others, ourKey);
  await refuses(keys.authenticator(), token(NO_KID, good, es256(ours.privateKey)));
});
