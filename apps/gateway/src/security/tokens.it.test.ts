import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { sign } from 'node:crypto';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { CompactEncrypt } from 'jose';
import type { Authenticator } from '../login/authenticator.js';
import {
  base64,
  bySecret,
  ES256,
  es256,
  good,
  hs256,
  KeyPublisher,
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

describe('with public keys', () => {
  const jwk = JSON.stringify(ourKey);
  const pem = ours.publicKey.export({ format: 'pem', type: 'spki' });
  const der = ours.publicKey.export({ format: 'der', type: 'spki' });
  const forged: [string, string][] = [
    ['no algorithm', `${base64({ alg: 'none', kid: 'k1' })}.${base64(good)}.`],
    ['no algorithm, in mixed case', `${base64({ alg: 'nOnE', kid: 'k1' })}.${base64(good)}.`],
    ['no algorithm named', token({ kid: 'k1' }, good, es256(ours.privateKey))],
    ['the public key as a shared secret: PEM', token({ alg: 'HS256', kid: 'k1' }, good, hs256(pem))],
    ['the public key as a shared secret: DER', token({ alg: 'HS256', kid: 'k1' }, good, hs256(der))],
    ['the public key as a shared secret: JWK', token({ alg: 'HS256', kid: 'k1' }, good, hs256(jwk))],
    ['an empty shared secret', token({ alg: 'HS256', kid: 'k1' }, good, hs256(''))],
    ['a signature of zeros', token(ES256, good, () => Buffer.alloc(64))],
    ['no signature', token(ES256, good, () => Buffer.alloc(0))],
    ['an incomplete signature', token(ES256, good, (text) => es256(ours.privateKey)(text).subarray(0, 63))],
    [
      'a signature in another encoding',
      token(ES256, good, (text) => sign('sha256', Buffer.from(text), ours.privateKey)),
    ],
    [
      'an embedded key',
      token({ ...ES256, jwk: theirs.publicKey.export({ format: 'jwk' }) }, good, es256(theirs.privateKey)),
    ],
    ['the URL of a key', token({ ...ES256, jku: 'ATTACKER/jku', x5u: 'ATTACKER/x5u' }, good, es256(theirs.privateKey))],
    ['an extension that must be understood', token({ ...ES256, crit: ['x'], x: 1 }, good, es256(ours.privateKey))],
    ['an empty list of extensions', token({ ...ES256, crit: [] }, good, es256(ours.privateKey))],
    ['an unencoded payload', token({ ...ES256, crit: ['b64'], b64: false }, good, es256(ours.privateKey))],
    ['a header that is not JSON', token('nonsense', good, es256(ours.privateKey))],
    ['a header that is a list', token([ES256], good, es256(ours.privateKey))],
    ['four parts', `${token(ES256, good, es256(ours.privateKey))}.x`],
    ['two parts', `${base64(ES256)}.${base64(good)}`],
    ['nothing', ''],
    ['dots', '..'],
    ['a megabyte', token(ES256, { ...good, pad: 'x'.repeat(1024 * 1024) }, es256(theirs.privateKey))],
  ];

  test.each(forged)('a token with %s is refused, and only the configured key server is asked', async (_, made) => {
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
    expect(keys.visits.every((path) => path === '/keys')).toBe(true);
    elsewhere.close();
  });

  /** The same bytes in another text: decoders ignore the unused bits of the last character of a part. */
  const withUnusedBits = (part: string): string => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    return part.slice(0, -1) + alphabet[alphabet.indexOf(part.at(-1) ?? '') + 1];
  };
  const signed = (header: string, payload: string): string =>
    `${header}.${payload}.${es256(ours.privateKey)(`${header}.${payload}`).toString('base64url')}`;
  // Lengths that leave unused bits.
  const [header, payload] = [base64({ ...ES256, x: '1' }), base64({ ...good, x: '12' })];
  const whole = signed(header, payload);
  const signature = whole.split('.')[2] ?? '';
  const uncanonical: [string, string][] = [
    ['a padded signature', `${whole}==`],
    ['unused bits of the signature set', `${header}.${payload}.${withUnusedBits(signature)}`],
    ['a padded header', signed(`${header}=`, payload)],
    ['unused bits of the header set', signed(withUnusedBits(header), payload)],
    ['a padded payload', signed(header, `${payload}=`)],
    ['unused bits of the payload set', signed(header, withUnusedBits(payload))],
    ['a payload in the other alphabet', signed(header, base64({ ...good, pad: '???>>>~~~' }).replace('_', '/'))],
    ['a leading space', ` ${whole}`],
    ['a trailing line end', `${whole}\n`],
    ['a line end inside', signed(header, `${payload.slice(0, 8)}\n${payload.slice(8)}`)],
  ];

  test.each(uncanonical)('a token with %s is refused because it is not canonical base64url', async (_, made) => {
    expect([header.length % 4, payload.length % 4]).not.toContain(0);
    await byKeys('alice', whole);
    await refuses(byKeys, made);
  });

  test('an encrypted token is refused', async () => {
    const made = await new CompactEncrypt(Buffer.from(JSON.stringify(good)))
      .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
      .encrypt(new Uint8Array(32));
    await refuses(byKeys, made);
  });
});

test('a refusal has the same words for every user and every invalid signature', async () => {
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
