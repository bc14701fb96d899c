import {
  createRemoteJWKSet,
  customFetch,
  errors,
  jwksCache,
  type ExportedJWKSCache,
  type JWKSCacheInput,
  type JWTVerifyGetKey,
} from 'jose';

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
/** So long before a key could be seen here its issuer may have used it already: clocks, caches on the way. */
const EARLIER_MS = 60_000;

/**
 * The public keys published at `url`: kept, and asked for again when they are old, or when a token names one that is not among them. When
 * their server fails, nobody notices who has a key that is known.
 */
export function keysAt(url: string, { refresh, lastGood, cooldown, rest }: KeyTimes): JWTVerifyGetKey {
  let askedAt = -Infinity;
  const sinceAsked = (): number => performance.now() - askedAt;
  const cache: JWKSCacheInput = {};
  const keys = createRemoteJWKSet(new URL(url), {
    timeoutDuration: TIMEOUT_MS,
    cacheMaxAge: lastGood,
    cooldownDuration: cooldown,
    [jwksCache]: cache,
    [customFetch]: async (...request) => {
      if (sinceAsked() < rest) throw new Error('the server of keys was asked just now');
      askedAt = performance.now();
      return fetch(...request);
    },
  });
  return async (header, token) => {
    const readAt = (cache as Partial<ExportedJWKSCache>).uat ?? 0;
    const isOld = keys.fresh && Date.now() - readAt >= refresh;
    if (isOld && sinceAsked() >= cooldown) await keys.reload().catch(() => undefined);
    const isAsked = !keys.coolingDown;
    try {
      return await keys(header, token);
    } catch (error) {
      const isUnknown = error instanceof errors.JWKSNoMatchingKey;
      if (!isUnknown || isAsked || issuedAt(String(token.payload)) < readAt - EARLIER_MS) throw error;
      throw new Error('the key may have been published after the keys were read');
    }
  };
}

/** When a token says it was issued, proved or not: perhaps just now, when it does not say. */
function issuedAt(payload: string): number {
  try {
    const { iat } = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { iat?: unknown };
    return typeof iat === 'number' ? iat * 1_000 : Infinity;
  } catch {
    return 0;
  }
}
