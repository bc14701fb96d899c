import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose';
import { authenticatorFor, type AuthSettings } from './authenticator.js';

let server: Server;
let url: string;
let privateKey: CryptoKey;
let publicKey: JWK;

beforeAll(async () => {
  const pair = await generateKeyPair('ES256');
  privateKey = pair.privateKey;
  publicKey = { ...(await exportJWK(pair.publicKey)), kid: 'k1', alg: 'ES256' };
  server = createServer((_, response) => response.end(JSON.stringify({ keys: [publicKey] }))).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const settings: AuthSettings = {
  HZ_AUTH: 'jwt',
  HZ_JWT_SECRET: '',
  HZ_JWKS_URL: '',
  HZ_JWT_USER_CLAIM: 'sub',
  HZ_JWT_ISSUER: '',
  HZ_JWT_AUDIENCE: '',
  HZ_TOKEN_LEEWAY: 30_000,
};
const byKeys = (HZ_JWKS_URL = url) => authenticatorFor({ ...settings, HZ_JWKS_URL });
const token = (key: CryptoKey | Uint8Array, alg: string) =>
  new SignJWT({ sub: 'alice', iat: 1_700_000_000, exp: 4_000_000_000 })
    .setProtectedHeader({ alg, kid: 'k1' })
    .sign(key);

test('the authenticator accepts a token signed with a published key and returns its times', async () => {
  const times = { issuedAt: 1_700_000_000, expiresAt: 4_000_000_000_000 };
  await expect(byKeys()('alice', await token(privateKey, 'ES256'))).resolves.toEqual(times);
});

test('the authenticator does not accept the public key as a shared secret', async () => {
  const secret = new TextEncoder().encode(JSON.stringify(publicKey));
  await expect(byKeys()('alice', await token(secret, 'HS256'))).rejects.toMatchObject({ error: 'badToken' });
});

test('the authenticator refuses a token when its key is not published', async () => {
  const { privateKey: other } = await generateKeyPair('ES256');
  await expect(byKeys()('alice', await token(other, 'ES256'))).rejects.toMatchObject({ error: 'badToken' });
});

test('the authenticator throws unavailable when the keys cannot be read', async () => {
  const authenticate = byKeys('http://127.0.0.1:9/keys');
  await expect(authenticate('alice', await token(privateKey, 'ES256'))).rejects.toMatchObject({ error: 'unavailable' });
});

test('the authenticator returns 0 as the time of issue when the token has none', async () => {
  const secret = 'x'.repeat(32);
  const ageless = await new SignJWT({ sub: 'alice', exp: 4_000_000_000 })
    .setProtectedHeader({ alg: 'HS256' })
    .sign(new TextEncoder().encode(secret));
  const authenticate = authenticatorFor({ ...settings, HZ_JWT_SECRET: secret });
  await expect(authenticate('alice', ageless)).resolves.toMatchObject({ issuedAt: 0 });
});

test('the authenticator never repeats the content of a token', async () => {
  const authenticate = authenticatorFor({ ...settings, HZ_JWT_SECRET: 'x'.repeat(32) });
  const error: unknown = await authenticate('alice', 'SECRET.SECRET.SECRET').catch((thrown: unknown) => thrown);
  expect(String(error)).not.toContain('SECRET');
});
