import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import { isExpired, timesProblem, type TokenTimes } from './token-times.js';

/** Milliseconds. */
export interface KeyTimes {
  /** Keys that were read so long ago are asked for again, so that one that was withdrawn is good no longer. */
  readonly refresh: number;
  /** While that fails, those that are known are good for so long. */
  readonly lastGood: number;
  /** Between two requests while there are keys. */
  readonly cooldown: number;
  /** Between two requests while there are none: every login would make one. */
  readonly rest: number;
}

export const KEY_TIMES: KeyTimes = { refresh: 600_000, lastGood: 86_400_000, cooldown: 30_000, rest: 1_000 };

const TIMEOUT_MS = 3_000;
/** The issuer may sign with a key this long before the key can be read here: clocks differ, caches lie between. */
const EARLIER_MS = 60_000;

/**
 * The public keys published at `url`, kept in memory. They are read again when they are old, and when a token names a
 * key that is not among them. While their server fails, tokens of known keys stay good. Ages are measured by a clock
 * that nobody sets.
 * @param leewayMs how far the issuer's clock may be ahead of this one
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
    if (since(askedAt) < rest) throw new Error('the server of keys was asked just now');
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
  if (response.status !== 200) throw new Error(`the server of keys answered ${response.status}`);
  return (await response.json()) as JSONWebKeySet;
}

/**
 * Whether an unproved token could be a good one of a key that is not known yet. False for one that would be refused
 * whatever its key: the answer "try again later" is only for tokens that a newer key may prove.
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
