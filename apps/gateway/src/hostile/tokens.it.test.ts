import { generateKeyPairSync, sign, createHmac, type KeyObject } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { eventually } from '@huizhi/constellation';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { CompactEncrypt } from 'jose';
import { authenticatorFor, type Authenticator, type AuthSettings } from '../login/authenticator.js';
import { KEY_TIMES, type KeyTimes } from '../login/key-server.js';

/** Tokens made by hand, against a real server of keys over HTTP: what a library would not let one make. */

const secret = 'a-secret-for-tests-of-32-characters-or-more';
const ours = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const theirs = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const ourKey = { ...ours.publicKey.export({ format: 'jwk' }), kid: 'k1', alg: 'ES256', use: 'sig' };

let keys: Server;
let url: string;
/** What came to the server of keys: paths. */
const visits: string[] = [];
let answer: { status: number; body: string };
let byKeys: Authenticator;
const LEEWAY_S = 30;
const settings: AuthSettings = {
  AUTH: 'jwt',
  JWT_SECRET: '',
  JWKS_URL: '',
  JWT_USER_CLAIM: 'sub',
  JWT_ISSUER: '',
  JWT_AUDIENCE: '',
  TOKEN_LEEWAY: LEEWAY_S * 1_000,
};
const bySecret = authenticatorFor({ ...settings, JWT_SECRET: secret });

beforeAll(async () => {
  keys = createServer((request, response) => {
    visits.push(request.url ?? '');
    response.writeHead(answer.status).end(answer.body);
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => keys.once('listening', resolve));
  url = `http://127.0.0.1:${(keys.address() as AddressInfo).port}`;
});
afterAll(() => {
  keys.closeAllConnections();
  keys.close();
});
beforeEach(() => {
  answer = { status: 200, body: JSON.stringify({ keys: [ourKey] }) };
  byKeys = withKeys();
});
const withKeys = (times: Partial<KeyTimes> = {}): Authenticator =>
  authenticatorFor({ ...settings, JWKS_URL: `${url}/keys` }, { ...KEY_TIMES, ...times });
afterEach(() => void visits.splice(0));

const base64 = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const seconds = (ahead: number): number => Math.floor(Date.now() / 1000) + ahead;
const good = { sub: 'alice', exp: seconds(3_600) };
const old = { ...good, iat: seconds(-3_600) };

/** Only the wall clock is the test's. */
const REAL_TIMERS = [
  ...(['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate', 'setInterval', 'clearInterval'] as const),
  ...(['nextTick', 'queueMicrotask', 'performance', 'hrtime'] as const),
];

type Signer = (text: string) => Buffer;
const es256 =
  (key: KeyObject): Signer =>
  (text) =>
    sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' });
const hs256 =
  (key: string | Buffer): Signer =>
  (text) =>
    createHmac('sha256', key).update(text).digest();
const token = (header: unknown, payload: unknown, signer: Signer): string => {
  const text = `${base64(header)}.${base64(payload)}`;
  return `${text}.${signer(text).toString('base64url')}`;
};
const refuses = (authenticate: Authenticator, made: string, error = 'badToken', user = 'alice'): Promise<void> =>
  expect(authenticate(user, made)).rejects.toMatchObject({ name: 'ProtocolError', error });

test('what these tests make by hand is taken when nothing is wrong with it', async () => {
  await byKeys('alice', token({ alg: 'ES256', kid: 'k1' }, good, es256(ours.privateKey)));
  await bySecret('alice', token({ alg: 'HS256' }, good, hs256(secret)));
});

describe('the claims of a token', () => {
  const claims: [string, unknown, string][] = [
    ['that has expired', { sub: 'alice', exp: seconds(-1) }, 'tokenExpired'],
    ['that is not valid yet', { ...good, nbf: seconds(600) }, 'badToken'],
    ['without an end', { sub: 'alice' }, 'badToken'],
    ['for another user', { ...good, sub: 'bob' }, 'badToken'],
    ['for nobody', { exp: good.exp }, 'badToken'],
    ['for a list of users', { ...good, sub: ['alice'] }, 'badToken'],
    ['for an object', { ...good, sub: { toString: 'alice' } }, 'badToken'],
    ['that are an array', [good], 'badToken'],
    ['that are not JSON', 'alice', 'badToken'],
    ['with the user in other letters', { ...good, sub: 'ALICE' }, 'badToken'],
  ];
  test.each(claims)('%s: refused', async (_, payload, error) => {
    await refuses(bySecret, token({ alg: 'HS256' }, payload, hs256(secret)), error);
    await refuses(byKeys, token({ alg: 'ES256', kid: 'k1' }, payload, es256(ours.privateKey)), error);
  });

  const BY_KEY = { alg: 'ES256', kid: 'k1' };
  const ahead = seconds(600);
  const inMilliseconds = Date.now() - 1_000;
  const centuries = seconds(200 * 31_557_600);
  const times: [string, string, string][] = [
    ['iat ahead', `"iat":${ahead}`, 'iat'],
    ['iat in milliseconds', `"iat":${inMilliseconds}`, 'iat'],
    ['iat that is infinite', '"iat":1e400', 'iat'],
    ['iat that is negative', '"iat":-1', 'iat'],
    ['iat that is text', `"iat":"${seconds(-1)}"`, 'iat'],
    ['iat that is null', '"iat":null', 'iat'],
    ['iat that is a list', `"iat":[${seconds(-1)}]`, 'iat'],
    ['nbf ahead', `"nbf":${ahead}`, 'nbf'],
    ['nbf in milliseconds', `"nbf":${inMilliseconds}`, 'nbf'],
    ['nbf that is infinite', '"nbf":1e400', 'nbf'],
    ['nbf that is negative', '"nbf":-1e400', 'nbf'],
    ['nbf that is text', '"nbf":"0"', 'nbf'],
    ['exp in milliseconds', `"exp":${inMilliseconds + 3_600_000}`, 'exp'],
    ['exp centuries ahead', `"exp":${centuries}`, 'exp'],
    ['exp that is infinite', '"exp":1e400', 'exp'],
    ['exp that is negative', '"exp":-1', 'exp'],
    ['exp that is text', `"exp":"${seconds(60)}"`, 'exp'],
    ['exp that is null', '"exp":null', 'exp'],
    ['exp at iat', `"iat":${seconds(10)},"exp":${seconds(10)}`, 'exp'],
    ['exp before iat', `"iat":${seconds(-10)},"exp":${seconds(-11)}`, 'exp'],
    ['exp before nbf', `"nbf":${seconds(-10)},"exp":${seconds(-11)}`, 'exp'],
  ];

  test.each(times)('with an %s: the token is refused by the name of the claim', async (_, fields, claim) => {
    // A field given twice: the last counts, in JSON.
    const payload = `{"sub":"alice","exp":${good.exp},${fields}}`;
    for (const made of [
      bySecret('alice', token({ alg: 'HS256' }, payload, hs256(secret))),
      byKeys('alice', token(BY_KEY, payload, es256(ours.privateKey))),
    ]) {
      await expect(made).rejects.toMatchObject({
        error: 'badToken',
        message: expect.stringMatching(`^token: ${claim} `),
      });
    }
  });

  test('the time claims of a token that is not proved are not told apart', async () => {
    for (const [, fields] of times) {
      const made = token({ alg: 'HS256' }, `{"sub":"alice","exp":${good.exp},${fields}}`, hs256('guess'));
      await expect(bySecret('alice', made)).rejects.toMatchObject({ message: 'token: is not valid' });
    }
  });

  test('accepts an iat and nbf ahead by less than the one leeway, and refuses them ahead by more', async () => {
    const strict = authenticatorFor({ ...settings, JWT_SECRET: secret, TOKEN_LEEWAY: 0 });
    const wide = authenticatorFor({ ...settings, JWT_SECRET: secret, TOKEN_LEEWAY: 120_000 });
    for (const claim of ['iat', 'nbf']) {
      const made = (by: number): string => token({ alg: 'HS256' }, { ...good, [claim]: seconds(by) }, hs256(secret));
      await bySecret('alice', made(LEEWAY_S - 10));
      await refuses(bySecret, made(LEEWAY_S + 10));
      await strict('alice', made(0));
      await refuses(strict, made(10));
      await wide('alice', made(110));
      await refuses(wide, made(130));
    }
  });

  test('a token may hold fractions of a second, and says when it was issued in whole ones', async () => {
    const at = seconds(-10);
    const payload = { ...good, iat: at + 0.9, nbf: at + 0.5, exp: good.exp + 0.5 };
    const times = { issuedAt: at, expiresAt: good.exp * 1_000 + 500 };
    await expect(bySecret('alice', token({ alg: 'HS256' }, payload, hs256(secret)))).resolves.toEqual(times);
  });

  test('an expired token of a forger is forged, not expired', async () => {
    const expired = { sub: 'alice', exp: seconds(-1) };
    await refuses(bySecret, token({ alg: 'HS256' }, expired, hs256('guess')));
    await refuses(byKeys, token({ alg: 'ES256', kid: 'k1' }, expired, es256(theirs.privateKey)));
  });
});

describe('an issuer and an audience that are asked for', () => {
  const asked = { ...settings, JWT_ISSUER: 'https://id.example', JWT_AUDIENCE: 'chat' };
  const right = { ...good, iss: 'https://id.example', aud: 'chat' };
  const both: [string, () => Authenticator, (payload: unknown) => string][] = [
    [
      'a shared secret',
      () => authenticatorFor({ ...asked, JWT_SECRET: secret }),
      (payload) => token({ alg: 'HS256' }, payload, hs256(secret)),
    ],
    [
      'public keys',
      () => authenticatorFor({ ...asked, JWKS_URL: `${url}/keys` }),
      (payload) => token({ alg: 'ES256', kid: 'k1' }, payload, es256(ours.privateKey)),
    ],
  ];

  test.each(both)('with %s: a token must be from that issuer and for that audience', async (_, made, signed) => {
    const authenticate = made();
    await authenticate('alice', signed(right));
    await authenticate('alice', signed({ ...right, aud: ['mail', 'chat'] }));
    for (const wrong of [
      good,
      { ...right, iss: 'https://evil.example' },
      { ...right, iss: undefined },
      { ...right, iss: ['https://id.example'] },
      { ...right, aud: 'mail' },
      { ...right, aud: undefined },
      { ...right, aud: [] },
    ])
      await refuses(authenticate, signed(wrong));
  });

  test('are not asked for unless they are set', async () => {
    await bySecret('alice', token({ alg: 'HS256' }, { ...right, aud: 'mail' }, hs256(secret)));
  });
});

describe('with public keys', () => {
  const jwk = JSON.stringify(ourKey);
  const pem = ours.publicKey.export({ format: 'pem', type: 'spki' });
  const der = ours.publicKey.export({ format: 'der', type: 'spki' });
  const es = { alg: 'ES256', kid: 'k1' };
  const forged: [string, string][] = [
    ['no algorithm', `${base64({ alg: 'none', kid: 'k1' })}.${base64(good)}.`],
    ['no algorithm, in other letters', `${base64({ alg: 'nOnE', kid: 'k1' })}.${base64(good)}.`],
    ['no algorithm named', token({ kid: 'k1' }, good, es256(ours.privateKey))],
    ['the public key as a shared secret: PEM', token({ alg: 'HS256', kid: 'k1' }, good, hs256(pem))],
    ['the public key as a shared secret: DER', token({ alg: 'HS256', kid: 'k1' }, good, hs256(der))],
    ['the public key as a shared secret: JWK', token({ alg: 'HS256', kid: 'k1' }, good, hs256(jwk))],
    ['an empty shared secret', token({ alg: 'HS256', kid: 'k1' }, good, hs256(''))],
    ['a signature of zeros', token(es, good, () => Buffer.alloc(64))],
    ['no signature', token(es, good, () => Buffer.alloc(0))],
    ['a signature cut short', token(es, good, (text) => es256(ours.privateKey)(text).subarray(0, 63))],
    ['a signature in another encoding', token(es, good, (text) => sign('sha256', Buffer.from(text), ours.privateKey))],
    [
      'a key of its own, embedded',
      token({ ...es, jwk: theirs.publicKey.export({ format: 'jwk' }) }, good, es256(theirs.privateKey)),
    ],
    ['a key elsewhere', token({ ...es, jku: 'ATTACKER/jku', x5u: 'ATTACKER/x5u' }, good, es256(theirs.privateKey))],
    ['an extension that must be understood', token({ ...es, crit: ['x'], x: 1 }, good, es256(ours.privateKey))],
    ['an empty list of extensions', token({ ...es, crit: [] }, good, es256(ours.privateKey))],
    ['an unencoded payload', token({ ...es, crit: ['b64'], b64: false }, good, es256(ours.privateKey))],
    ['a header that is not JSON', token('nonsense', good, es256(ours.privateKey))],
    ['a header that is a list', token([es], good, es256(ours.privateKey))],
    ['four parts', `${token(es, good, es256(ours.privateKey))}.x`],
    ['two parts', `${base64(es)}.${base64(good)}`],
    ['nothing', ''],
    ['dots', '..'],
    ['a megabyte', token(es, { ...good, pad: 'x'.repeat(1024 * 1024) }, es256(theirs.privateKey))],
  ];

  test.each(forged)('a token with %s is refused, and only our own server of keys is asked', async (_, made) => {
    const attacker: string[] = [];
    const elsewhere = createServer((request, response) => {
      attacker.push(request.url ?? '');
      response.end(JSON.stringify({ keys: [theirs.publicKey.export({ format: 'jwk' })] }));
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => elsewhere.once('listening', resolve));
    const [header = '', ...rest] = made.split('.');
    const host = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}`;
    const led = Buffer.from(header, 'base64url').toString().replaceAll('ATTACKER', host);
    await refuses(byKeys, header === '' ? made : [led.includes(host) ? base64(led) : header, ...rest].join('.'));
    expect(attacker).toEqual([]);
    expect(visits.every((path) => path === '/keys')).toBe(true);
    elsewhere.close();
  });

  test('an encrypted token is refused', async () => {
    const made = await new CompactEncrypt(Buffer.from(JSON.stringify(good)))
      .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
      .encrypt(new Uint8Array(32));
    await refuses(byKeys, made);
  });

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
    expect(visits).toEqual(['/keys']);
    await byKeys('alice', token(es, good, es256(ours.privateKey)));
  });

  test.each([
    ['fails', { status: 500, body: '' }],
    ['answers nonsense', { status: 200, body: 'nonsense' }],
  ])(
    'a server of keys that %s is left alone for a while, and nobody is told that their token is bad',
    async (_, broken) => {
      answer = broken;
      const made = token(es, good, es256(ours.privateKey));
      for (let n = 0; n < 40; n++) await refuses(byKeys, made, 'unavailable');
      expect(visits.length).toBeLessThan(5);
    },
  );

  test('a server of keys that fails later does no harm to who has a key that is known', async () => {
    const made = token(es, good, es256(ours.privateKey));
    await byKeys('alice', made);
    answer = { status: 500, body: '' };
    for (let n = 0; n < 5; n++) {
      await refuses(byKeys, token({ alg: 'ES256', kid: `unknown-${n}` }, old, es256(theirs.privateKey)));
      await byKeys('alice', made);
    }
  });

  test('keys that are known go on being good when it is time to ask for them again and their server fails', async () => {
    const asks = withKeys({ refresh: 0, cooldown: 0, rest: 0 });
    const made = token(es, good, es256(ours.privateKey));
    await asks('alice', made);
    for (const body of ['nonsense', '{"keys":"none"}', '']) {
      answer = { status: body === '' ? 500 : 200, body };
      await asks('alice', made);
    }
    expect(visits).toHaveLength(4);
  });

  test('keys that are known are good for a day at most without a word of their server', async () => {
    const forgets = withKeys({ lastGood: 0, rest: 0 });
    const made = token(es, good, es256(ours.privateKey));
    await forgets('alice', made);
    answer = { status: 500, body: '' };
    await refuses(forgets, made, 'unavailable');
  });

  test('keys that are old are asked for again at most every 30 seconds', async () => {
    const asks = withKeys({ refresh: 0, rest: 0 });
    const made = token(es, good, es256(ours.privateKey));
    for (let n = 0; n < 40; n++) await asks('alice', made);
    expect(visits).toHaveLength(1);
  });

  test('a key that is published no more is good until the keys are read again', async () => {
    const asks = withKeys({ refresh: 0, cooldown: 0, rest: 0 });
    const made = token(es, good, es256(ours.privateKey));
    await asks('alice', made);
    await byKeys('alice', made);
    answer = { status: 200, body: JSON.stringify({ keys: [] }) };
    await byKeys('alice', made);
    await refuses(asks, made);
  });

  test('a token of a key published after the keys were read is refused for now only, and taken when they may be read', async () => {
    const asks = withKeys({ cooldown: 0, rest: 0 });
    const before = token(es, good, es256(ours.privateKey));
    await byKeys('alice', before);
    await asks('alice', before);
    const newKey = { ...theirs.publicKey.export({ format: 'jwk' }), kid: 'k2', alg: 'ES256', use: 'sig' };
    answer = { status: 200, body: JSON.stringify({ keys: [ourKey, newKey] }) };
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
    await byKeys('alice', token(es, good, es256(ours.privateKey)));
    const payload = `{"sub":"alice","exp":${good.exp},${fields}}`;
    await refuses(byKeys, token({ alg: 'ES256', kid: 'k2' }, payload, es256(theirs.privateKey)));
    expect(visits).toHaveLength(1);
  });

  test.each([
    ['back', -3 * 86_400_000],
    ['ahead', 3 * 86_400_000],
  ])('keys are read again in time when the clock is set %s by days', async (_, by) => {
    const asks = withKeys({ refresh: 200, cooldown: 0, rest: 0 });
    const made = token(es, { ...good, exp: seconds(30 * 86_400) }, es256(ours.privateKey));
    await asks('alice', made);
    jest.useFakeTimers({ now: Date.now() + by, doNotFake: REAL_TIMERS });
    try {
      answer = { status: 200, body: JSON.stringify({ keys: [] }) };
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
    const made = token(es, { ...good, exp: seconds(30 * 86_400) }, es256(ours.privateKey));
    await byKeys('alice', made);
    answer = { status: 500, body: '' };
    jest.useFakeTimers({ now: Date.now() + 3 * 86_400_000, doNotFake: REAL_TIMERS });
    try {
      await byKeys('alice', made);
    } finally {
      jest.useRealTimers();
    }
  });
});

test('refused with the same words, whoever the user is and whatever is wrong with the signature', async () => {
  const answers = new Set<string>();
  for (const user of ['alice', 'nobody']) {
    for (const made of [
      token({ alg: 'HS256' }, { ...good, sub: user }, hs256('guess')),
      token({ alg: 'HS256' }, { ...good, sub: user }, () => Buffer.alloc(32)),
      token({ alg: 'HS256' }, { sub: user, exp: seconds(-1) }, hs256('guess')),
      token({ alg: 'HS512' }, { ...good, sub: user }, hs256('guess')),
    ]) {
      await bySecret(user, made).catch((error: Error) => answers.add(`${error.name}: ${error.message}`));
    }
  }
  expect([...answers]).toEqual(['ProtocolError: token: is not valid']);
});
