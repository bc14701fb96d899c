import { beforeEach, describe, expect, test } from '@jest/globals';
import { authenticatorFor, type Authenticator } from '../login/authenticator.js';
import {
  bySecret,
  ES256,
  es256,
  good,
  hs256,
  KeyPublisher,
  LEEWAY_S,
  ours,
  refuses,
  secret,
  seconds,
  settings,
  theirs,
  token,
} from '../testing/hand-made-tokens.js';

const keys = KeyPublisher.forAllTests();
let byKeys: Authenticator;
beforeEach(() => {
  byKeys = keys.authenticator();
});

test('the hand-made tokens of these tests are accepted when they are valid', async () => {
  await byKeys('alice', token(ES256, good, es256(ours.privateKey)));
  await bySecret('alice', token({ alg: 'HS256' }, good, hs256(secret)));
});

describe('the claims of a token', () => {
  const claims: [string, unknown, string][] = [
    ['that has expired', { sub: 'alice', exp: seconds(-1) }, 'tokenExpired'],
    ['that is not valid yet', { ...good, nbf: seconds(600) }, 'badToken'],
    ['without an end', { sub: 'alice' }, 'badToken'],
    ['for another user', { ...good, sub: 'bob' }, 'badToken'],
    ['without a user', { exp: good.exp }, 'badToken'],
    ['for a list of users', { ...good, sub: ['alice'] }, 'badToken'],
    ['for an object', { ...good, sub: { toString: 'alice' } }, 'badToken'],
    ['that are an array', [good], 'badToken'],
    ['that are not JSON', 'alice', 'badToken'],
    ['with the user in upper case', { ...good, sub: 'ALICE' }, 'badToken'],
  ];
  test.each(claims)('%s are refused', async (_, payload, error) => {
    await refuses(bySecret, token({ alg: 'HS256' }, payload, hs256(secret)), error);
    await refuses(byKeys, token(ES256, payload, es256(ours.privateKey)), error);
  });

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

  test.each(times)('are refused by the name of the claim when it is %s', async (_, fields, claim) => {
    // A field given twice: the last one counts in JSON.
    const payload = `{"sub":"alice","exp":${good.exp},${fields}}`;
    const refusal = { error: 'badToken', message: expect.stringMatching(`^token: ${claim} `) };
    const secretly = token({ alg: 'HS256' }, payload, hs256(secret));
    await expect(bySecret('alice', secretly)).rejects.toMatchObject(refusal);
    await expect(byKeys('alice', token(ES256, payload, es256(ours.privateKey)))).rejects.toMatchObject(refusal);
  });

  test('do not change the refusal when the token is not verified', async () => {
    for (const [, fields] of times) {
      const made = token({ alg: 'HS256' }, `{"sub":"alice","exp":${good.exp},${fields}}`, hs256('guess'));
      await expect(bySecret('alice', made)).rejects.toMatchObject({ message: 'token: is not valid' });
    }
  });

  test('are accepted when iat and nbf are ahead by less than the leeway, and refused when by more', async () => {
    const strict = authenticatorFor({ ...settings, HZ_JWT_SECRET: secret, HZ_TOKEN_LEEWAY: 0 });
    const wide = authenticatorFor({ ...settings, HZ_JWT_SECRET: secret, HZ_TOKEN_LEEWAY: 120_000 });
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

  test('may hold fractions of a second, and the time of issue is rounded down', async () => {
    const at = seconds(-10);
    const payload = { ...good, iat: at + 0.9, nbf: at + 0.5, exp: good.exp + 0.5 };
    const times = { issuedAt: at, expiresAt: good.exp * 1_000 + 500 };
    await expect(bySecret('alice', token({ alg: 'HS256' }, payload, hs256(secret)))).resolves.toEqual(times);
  });

  test('are refused as badToken, not as expired, when the signature of an expired token is forged', async () => {
    const expired = { sub: 'alice', exp: seconds(-1) };
    await refuses(bySecret, token({ alg: 'HS256' }, expired, hs256('guess')));
    await refuses(byKeys, token(ES256, expired, es256(theirs.privateKey)));
  });
});

describe('the claim that holds the user', () => {
  const by = (claim: string): Authenticator =>
    authenticatorFor({ ...settings, HZ_JWT_SECRET: secret, HZ_JWT_USER_CLAIM: claim });
  const made = (claims: object): string => token({ alg: 'HS256' }, { exp: good.exp, ...claims }, hs256(secret));

  test.each(['may be %s', 'https://id.example/user', '__proto__', '用户'])('may be %s', async (claim) => {
    const named = (value: unknown): string =>
      token(
        { alg: 'HS256' },
        `{"exp":${good.exp},"sub":"bob",${JSON.stringify(claim)}:${JSON.stringify(value)}}`,
        hs256(secret),
      );
    await by(claim)('alice', named('alice'));
    for (const wrong of ['bob', ['alice'], { id: 'alice' }, null]) await refuses(by(claim), named(wrong));
    await refuses(by(claim), made({ sub: 'alice' }));
  });

  test('may be a number, which counts as its digits', async () => {
    await by('uid')('10001', made({ uid: 10_001 }));
    await by('uid')('0', made({ uid: 0 }));
    const others: [string, unknown][] = [
      ['10001.5', 10_001.5],
      ['1e+21', 1e21],
      ['9007199254740992', 2 ** 53],
      ['null', null],
      ['true', true],
    ];
    for (const [user, uid] of others) await refuses(by('uid'), made({ uid }), 'badToken', user);
  });

  test('is missing when it is named like an Object.prototype member', async () => {
    await refuses(by('constructor'), made({ sub: 'alice' }));
  });
});

describe('a required issuer and audience', () => {
  const asked = { ...settings, HZ_JWT_ISSUER: 'https://id.example', HZ_JWT_AUDIENCE: 'chat' };
  const right = { ...good, iss: 'https://id.example', aud: 'chat' };
  const both: [string, () => Authenticator, (payload: unknown) => string][] = [
    [
      'a shared secret',
      () => authenticatorFor({ ...asked, HZ_JWT_SECRET: secret }),
      (payload) => token({ alg: 'HS256' }, payload, hs256(secret)),
    ],
    [
      'public keys',
      () => authenticatorFor({ ...asked, HZ_JWKS_URL: keys.url }),
      (payload) => token(ES256, payload, es256(ours.privateKey)),
    ],
  ];

  test.each(both)('are checked with %s', async (_, made, signed) => {
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

  test('are not checked when they are not configured', async () => {
    await bySecret('alice', token({ alg: 'HS256' }, { ...right, aud: 'mail' }, hs256(secret)));
  });
});
