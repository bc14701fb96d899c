import { webcrypto } from 'node:crypto';
import { ProtocolError } from '@huizhi/protocol';
import { errors, jwtVerify, type JWTPayload, type JWTVerifyGetKey, type JWTVerifyOptions } from 'jose';
import { isCompactJws } from './compact-jws.js';
import { KEY_TIMES, keysAt } from './jwks.js';
import { isExpired, timesProblem } from './token-times.js';

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
  readonly HZ_AUTH: 'jwt' | 'open';
  readonly HZ_JWT_SECRET: string;
  readonly HZ_JWKS_URL: string;
  /** The claim that holds the user's id. */
  readonly HZ_JWT_USER_CLAIM: string;
  /** What `iss` must be and `aud` must hold; empty: not checked. */
  readonly HZ_JWT_ISSUER: string;
  readonly HZ_JWT_AUDIENCE: string;
  /** How far the issuer's clock may be ahead of the gateway's, milliseconds. */
  readonly HZ_TOKEN_LEEWAY: number;
}

/** With public keys only algorithms with public keys: else a public key could be used as a shared secret. */
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
  // Once, not with each token.
  const algorithm = { name: 'HMAC', hash: 'SHA-256' };
  const secret = webcrypto.subtle.importKey('raw', Buffer.from(HZ_JWT_SECRET), algorithm, false, ['verify']);
  return checking(settings, async (token) => jwtVerify(token, await secret, { ...claims, algorithms: ['HS256'] }));
}

/** Keys that a token is tried with when it does not say which one it is signed with. */
const MAX_TRIED = 16;

/** A token that names no key, or one of several of that name, is good if any of them proves it. No key is asked for. */
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
    // The leeway is for the beginning of a token. A client with an expired one can get another; its session outlasts
    // `exp` by the leeway.
    if (isExpired(claims, now)) throw new ProtocolError('tokenExpired', 'token: has expired');
    if (userIn(claims, HZ_JWT_USER_CLAIM) !== user) throw new ProtocolError('badToken', 'token: is not for this user');
    const { iat = 0, exp = 0 } = claims;
    return { issuedAt: Math.floor(iat), expiresAt: exp * 1_000 };
  };
}

/** As in frames, an integer is as good as its digits: some issuers number their users. */
function userIn(claims: JWTPayload, claim: string): unknown {
  const value = claims[claim];
  return Number.isSafeInteger(value) ? String(value) : value;
}

/** The claims of a token whose signature is good, expired or not. @throws ProtocolError `badToken`, `unavailable` */
async function claimsOf(token: string, verify: Verify): Promise<JWTPayload> {
  try {
    return (await verify(token)).payload;
  } catch (error) {
    if (error instanceof errors.JWTExpired) return error.payload;
    throw refusal(error);
  }
}

/**
 * The library's messages may quote the token; of it only the names of claims leave the server, and only once it is
 * proved.
 */
function refusal(error: unknown): ProtocolError {
  if (error instanceof errors.JWTClaimValidationFailed) {
    const problem = error.reason === 'missing' ? 'is missing' : 'is not valid';
    return new ProtocolError('badToken', `token: ${error.claim} ${problem}`);
  }
  const isKeySet = error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid;
  const isVerdict = error instanceof errors.JOSEError && error.code !== errors.JOSEError.code;
  if (isKeySet || !isVerdict) return new ProtocolError('unavailable', 'the keys cannot be read just now');
  return new ProtocolError('badToken', 'token: is not valid');
}
