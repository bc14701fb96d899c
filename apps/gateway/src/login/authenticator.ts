import { webcrypto } from 'node:crypto';
import { ProtocolError } from '@huizhi/protocol';
import { errors, jwtVerify, type JWTPayload, type JWTVerifyGetKey, type JWTVerifyOptions } from 'jose';
import { isCompactJws } from './compact-jws.js';
import { KEY_TIMES, keysAt } from './jwks.js';
import { isExpired, timesProblem } from './token-times.js';

/** The result of a verified token. */
export interface Credentials {
  /** Seconds since 1970; 0 when the token has no `iat`. Undefined when no token is required. */
  readonly issuedAt?: number;
  /** Milliseconds since 1970; Infinity when no token is required. */
  readonly expiresAt: number;
}

/** Verifies that a token belongs to the user. @throws ProtocolError `badToken`, `tokenExpired`, `unavailable` */
export type Authenticator = (user: string, token: string | undefined) => Promise<Credentials>;

export interface AuthSettings {
  readonly HZ_AUTH: 'jwt' | 'open';
  readonly HZ_JWT_SECRET: string;
  readonly HZ_JWKS_URL: string;
  /** The claim that holds the user id. */
  readonly HZ_JWT_USER_CLAIM: string;
  /** Required value of `iss`, and a required value of `aud`; empty: not checked. */
  readonly HZ_JWT_ISSUER: string;
  readonly HZ_JWT_AUDIENCE: string;
  /** How far the issuer's clock may be ahead of the gateway's, milliseconds. */
  readonly HZ_TOKEN_LEEWAY: number;
}

/** Public keys allow only asymmetric algorithms; otherwise a public key could be used as an HMAC secret. */
const ASYMMETRIC = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
];

export function authenticatorFor(settings: AuthSettings, keyTimes = KEY_TIMES): Authenticator {
  const { HZ_AUTH, HZ_JWT_SECRET, HZ_JWKS_URL, HZ_JWT_USER_CLAIM, HZ_JWT_ISSUER, HZ_JWT_AUDIENCE, HZ_TOKEN_LEEWAY } =
    settings;
  if (HZ_AUTH === 'open') return async () => ({ expiresAt: Infinity });
  const claims: JWTVerifyOptions = {
    requiredClaims: [HZ_JWT_USER_CLAIM, 'exp'],
    clockTolerance: HZ_TOKEN_LEEWAY / 1_000,
    ...(HZ_JWT_ISSUER !== '' && { issuer: HZ_JWT_ISSUER }),
    ...(HZ_JWT_AUDIENCE !== '' && { audience: HZ_JWT_AUDIENCE }),
  };
  if (HZ_JWKS_URL !== '') {
    const keys = keysAt(HZ_JWKS_URL, HZ_TOKEN_LEEWAY, keyTimes);
    return checking(settings, (token) => verifyByAnyOf(keys, token, { ...claims, algorithms: ASYMMETRIC }));
  }
  // The key is imported once, not per token.
  const algorithm = { name: 'HMAC', hash: 'SHA-256' };
  const secret = webcrypto.subtle.importKey('raw', Buffer.from(HZ_JWT_SECRET), algorithm, false, ['verify']);
  return checking(settings, async (token) => jwtVerify(token, await secret, { ...claims, algorithms: ['HS256'] }));
}

/** Maximum number of keys tried for a token that does not identify its key. */
const MAX_TRIED = 16;

/**
 * Verifies a token whose `kid` is missing or matches several keys: it is valid if one of the keys verifies it. Does not
 * fetch keys.
 */
async function verifyByAnyOf(
  keys: JWTVerifyGetKey,
  token: string,
  options: JWTVerifyOptions,
): Promise<{ payload: JWTPayload }> {
  try {
    return await jwtVerify(token, keys, options);
  } catch (several) {
    if (!(several instanceof errors.JWKSMultipleMatchingKeys)) throw several;
    let tried = 0;
    for await (const key of several) {
      if (++tried > MAX_TRIED) break;
      try {
        return await jwtVerify(token, key, options);
      } catch (error) {
        if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw error;
      }
    }
    throw new errors.JWSSignatureVerificationFailed();
  }
}

type Verify = (token: string) => Promise<{ payload: JWTPayload }>;

function checking({ HZ_JWT_USER_CLAIM, HZ_TOKEN_LEEWAY }: AuthSettings, verify: Verify): Authenticator {
  return async (user, token) => {
    if (token === undefined) throw new ProtocolError('badToken', 'token: is missing');
    if (!isCompactJws(token)) throw new ProtocolError('badToken', 'token: is not valid');
    const claims = await claimsOf(token, verify);
    const now = Date.now();
    const problem = timesProblem(claims, now, HZ_TOKEN_LEEWAY);
    if (problem) throw new ProtocolError('badToken', `token: ${problem}`);
    // The leeway applies to `iat` and `nbf`, not to `exp`: the client can get a new token. An open session outlasts
    // `exp` by the leeway.
    if (isExpired(claims, now)) throw new ProtocolError('tokenExpired', 'token: has expired');
    if (userIn(claims, HZ_JWT_USER_CLAIM) !== user) throw new ProtocolError('badToken', 'token: is not for this user');
    const { iat = 0, exp = 0 } = claims;
    return { issuedAt: Math.floor(iat), expiresAt: exp * 1_000 };
  };
}

/** Converts an integer claim to its digits, because some issuers number their users. */
function userIn(claims: JWTPayload, claim: string): unknown {
  const value = claims[claim];
  return Number.isSafeInteger(value) ? String(value) : value;
}

/** The claims of a token with a valid signature, expired or not. @throws ProtocolError `badToken`, `unavailable` */
async function claimsOf(token: string, verify: Verify): Promise<JWTPayload> {
  try {
    return (await verify(token)).payload;
  } catch (error) {
    if (error instanceof errors.JWTExpired) return error.payload;
    throw refusal(error);
  }
}

/**
 * Converts an error of the library. Its messages may quote the token; clients get only the names of claims, and only of
 * a verified token.
 */
function refusal(error: unknown): ProtocolError {
  if (error instanceof errors.JWTClaimValidationFailed) {
    const problem = error.reason === 'missing' ? 'is missing' : 'is not valid';
    return new ProtocolError('badToken', `token: ${error.claim} ${problem}`);
  }
  const isKeySet = error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid;
  const isVerdict = error instanceof errors.JOSEError && error.code !== errors.JOSEError.code;
  if (isKeySet || !isVerdict) return new ProtocolError('unavailable', 'the public keys cannot be fetched');
  return new ProtocolError('badToken', 'token: is not valid');
}
