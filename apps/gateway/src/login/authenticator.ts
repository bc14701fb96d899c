import { webcrypto } from 'node:crypto';
import { ProtocolError } from '@huizhi/protocol';
import { errors, jwtVerify, type JWTPayload, type JWTVerifyOptions } from 'jose';
import { KEY_TIMES, keysAt } from './key-server.js';

/** What a proof of identity is good for. */
export interface Credentials {
  /** Seconds since 1970; 0 when the token does not say. Absent where no token is asked for. */
  readonly issuedAt?: number;
  /** Milliseconds since 1970; Infinity where no token is asked for. */
  readonly expiresAt: number;
}

/** Says whether a token is this user's, and until when. @throws ProtocolError `badToken`, `tokenExpired`, `unavailable` */
export type Authenticator = (user: string, token: string | undefined) => Promise<Credentials>;

export interface AuthSettings {
  readonly AUTH: 'jwt' | 'open';
  readonly JWT_SECRET: string;
  readonly JWKS_URL: string;
  /** Who must have issued a token, and whom it must be for; empty: whoever. */
  readonly JWT_ISSUER: string;
  readonly JWT_AUDIENCE: string;
}

/** With public keys only algorithms with public keys: else a public key could be used as a shared secret. */
const ASYMMETRIC = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
];
const REQUIRED = ['sub', 'exp'];
/** The clock of who issues tokens may be so far ahead of ours, seconds: a new token is good at once. */
const AHEAD = 30;

export function authenticatorFor(settings: AuthSettings, keyTimes = KEY_TIMES): Authenticator {
  const { AUTH, JWT_SECRET, JWKS_URL, JWT_ISSUER, JWT_AUDIENCE } = settings;
  if (AUTH === 'open') return async () => ({ expiresAt: Infinity });
  const claims: JWTVerifyOptions = {
    requiredClaims: REQUIRED,
    clockTolerance: AHEAD,
    ...(JWT_ISSUER !== '' && { issuer: JWT_ISSUER }),
    ...(JWT_AUDIENCE !== '' && { audience: JWT_AUDIENCE }),
  };
  if (JWKS_URL !== '') {
    const keys = keysAt(JWKS_URL, keyTimes);
    return checking((token) => jwtVerify(token, keys, { ...claims, algorithms: ASYMMETRIC }));
  }
  // Once, not with each token.
  const algorithm = { name: 'HMAC', hash: 'SHA-256' };
  const secret = webcrypto.subtle.importKey('raw', Buffer.from(JWT_SECRET), algorithm, false, ['verify']);
  return checking(async (token) => jwtVerify(token, await secret, { ...claims, algorithms: ['HS256'] }));
}

type Verify = (token: string) => Promise<{ payload: JWTPayload }>;

function checking(verify: Verify): Authenticator {
  return async (user, token) => {
    if (token === undefined) throw new ProtocolError('badToken', 'token: is missing');
    let claims: JWTPayload;
    try {
      claims = (await verify(token)).payload;
    } catch (error) {
      throw refusal(error);
    }
    const { sub, iat = 0, exp = 0 } = claims;
    // The tolerance is for the beginning of a token, not for its end.
    if (exp * 1_000 <= Date.now()) throw new ProtocolError('tokenExpired', 'token: has expired');
    if (sub !== user) throw new ProtocolError('badToken', 'token: is not for this user');
    return { issuedAt: Math.floor(iat), expiresAt: exp * 1_000 };
  };
}

/** The library's own words may quote the token's claims; none of them leaves the server. */
function refusal(error: unknown): ProtocolError {
  if (error instanceof errors.JWTExpired) return new ProtocolError('tokenExpired', 'token: has expired');
  const isKeySet = error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid;
  const isVerdict = error instanceof errors.JOSEError && error.code !== errors.JOSEError.code;
  if (isKeySet || !isVerdict) return new ProtocolError('unavailable', 'the keys cannot be read just now');
  return new ProtocolError('badToken', 'token: is not valid');
}
