import { createHmac, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from '@jest/globals';
import { authenticatorFor, type Authenticator, type AuthSettings } from '../login/authenticator.js';
import { KEY_TIMES, type KeyTimes } from '../login/jwks.js';

/** Builds tokens that a library would refuse to create, and serves public keys over HTTP. */

export const secret = 'a-secret-for-tests-of-32-characters-or-more';
export const ours = generateKeyPairSync('ec', { namedCurve: 'P-256' });
export const theirs = generateKeyPairSync('ec', { namedCurve: 'P-256' });
export const ourKey = { ...ours.publicKey.export({ format: 'jwk' }), kid: 'k1', alg: 'ES256', use: 'sig' };
/** Header of a token that is signed with {@link ours}. */
export const ES256 = { alg: 'ES256', kid: 'k1' };

export const LEEWAY_S = 30;
export const settings: AuthSettings = {
  HZ_AUTH: 'jwt',
  HZ_JWT_SECRET: '',
  HZ_JWKS_URL: '',
  HZ_JWT_USER_CLAIM: 'sub',
  HZ_JWT_ISSUER: '',
  HZ_JWT_AUDIENCE: '',
  HZ_TOKEN_LEEWAY: LEEWAY_S * 1_000,
};
export const bySecret = authenticatorFor({ ...settings, HZ_JWT_SECRET: secret });

export const base64 = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
export const seconds = (ahead: number): number => Math.floor(Date.now() / 1000) + ahead;
export const good = { sub: 'alice', exp: seconds(3_600) };
export const old = { ...good, iat: seconds(-3_600) };

export type Signer = (text: string) => Buffer;
export const es256 =
  (key: KeyObject): Signer =>
  (text) =>
    sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' });
export const hs256 =
  (key: string | Buffer): Signer =>
  (text) =>
    createHmac('sha256', key).update(text).digest();

export const token = (header: unknown, payload: unknown, signer: Signer): string => {
  const text = `${base64(header)}.${base64(payload)}`;
  return `${text}.${signer(text).toString('base64url')}`;
};

export const refuses = (authenticate: Authenticator, made: string, error = 'badToken', user = 'alice'): Promise<void> =>
  expect(authenticate(user, made)).rejects.toMatchObject({ name: 'ProtocolError', error });

/** An HTTP server of public keys. It publishes {@link ourKey} unless a test changes that. One per test file. */
export class KeyPublisher {
  /** Paths requested in the current test. */
  readonly visits: string[] = [];
  answer = { status: 200, body: '' };
  private server!: Server;

  static forAllTests(): KeyPublisher {
    const publisher = new KeyPublisher();
    beforeAll(() => publisher.start());
    beforeEach(() => publisher.publish(ourKey));
    afterEach(() => void publisher.visits.splice(0));
    afterAll(() => {
      publisher.server.closeAllConnections();
      publisher.server.close();
    });
    return publisher;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/keys`;
  }

  publish(...keys: object[]): void {
    this.answer = { status: 200, body: JSON.stringify({ keys }) };
  }

  authenticator(times: Partial<KeyTimes> = {}, more: Partial<AuthSettings> = {}): Authenticator {
    return authenticatorFor({ ...settings, HZ_JWKS_URL: this.url, ...more }, { ...KEY_TIMES, ...times });
  }

  private async start(): Promise<void> {
    this.server = createServer((request, response) => {
      this.visits.push(request.url ?? '');
      response.writeHead(this.answer.status).end(this.answer.body);
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => this.server.once('listening', resolve));
  }
}
