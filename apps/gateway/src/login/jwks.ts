import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import { isExpired, timesProblem, type TokenTimes } from './token-times.js';

/** All in milliseconds. */
export interface KeyTimes {
  /** Keys older than this are fetched again, so that a withdrawn key becomes invalid. */
  readonly refresh: number;
  /** Known keys stay valid for this long while the key server is unavailable. */
  readonly lastGood: number;
  /** Minimum time between two requests while keys are known. */
  readonly cooldown: number;
  /** Minimum time between two requests while no key is known; otherwise each login would send one. */
  readonly rest: number;
}

export const KEY_TIMES: KeyTimes = { refresh: 600_000, lastGood: 86_400_000, cooldown: 30_000, rest: 1_000 };

const TIMEOUT_MS = 3_000;
/** The issuer may use a key this long before it can be fetched, because of clock differences and caches. */
const EARLIER_MS = 60_000;

/**
 * The public keys published at `url`, cached in memory. They are fetched again when they are old, or when a token names
 * an unknown key. While the key server fails, tokens of known keys stay valid. Ages use a monotonic clock.
 * @param leewayMs how far the issuer's clock may be ahead of the gateway's
 */
export function keysAt(
  url: string,
  leewayMs: number,
  { refresh, lastGood, cooldown, rest }: KeyTimes,
): JWTVerifyGetKey {
  let keys: JWTVerifyGetKey = () => Promise.reject(new errors.JWKSNoMatchingKey());
  let readAt = -Infinity;
  let askedAt = -Infinity;
  let reading: Promise<void> | undefined;
  const since = (at: number): number => performance.now() - at;

  async function request(): Promise<void> {
    if (since(askedAt) < rest) throw new Error('the key server was asked recently');
    askedAt = performance.now();
    keys = createLocalJWKSet(await published(url));
    readAt = performance.now();
  }
  const read = (): Promise<void> => (reading ??= request().finally(() => (reading = undefined)));

  return async (header, token) => {
    const isRested = since(askedAt) >= cooldown;
    const readBefore = readAt;
    if (since(readAt) >= lastGood) await read();
    else if (since(readAt) >= refresh && isRested) await read().catch(() => undefined);
    try {
      return await keys(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      const newest = Date.now() - since(readAt) - EARLIER_MS;
      if (!mayBeIssuedAfter(newest, String(token.payload), leewayMs)) throw error;
      if (!isRested) throw new Error('the key may have been published after the keys were read');
    }
    if (readAt === readBefore) await read();
    return keys(header, token);
  };
}

async function published(url: string): Promise<JSONWebKeySet> {
  const response = await fetch(url, {
    headers: { accept: 'application/json, application/jwk-set+json' },
    redirect: 'manual',
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (response.status !== 200) throw new Error(`the key server answered ${response.status}`);
  return (await response.json()) as JSONWebKeySet;
}

/**
 * Whether an unverified token may be valid with a key that is not known yet. False for a token that every key would
 * refuse, so that only a token that a newer key may verify gets `unavailable`.
 */
function mayBeIssuedAfter(earliestMs: number, payload: string, leewayMs: number): boolean {
  try {
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as TokenTimes | null;
    const now = Date.now();
    if (!claims || timesProblem(claims, now, leewayMs) !== undefined || isExpired(claims, now)) return false;
    return typeof claims.iat !== 'number' || claims.iat * 1_000 >= earliestMs;
  } catch {
    return false;
  }
}
