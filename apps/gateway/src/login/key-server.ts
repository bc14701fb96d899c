import { createRemoteJWKSet, customFetch, type JWTVerifyGetKey } from 'jose';

const TIMEOUT_MS = 3_000;
/** Between two requests at least: while they fail, every login would make one. */
const REST_MS = 1_000;

/**
 * The public keys published at `url`: kept, and asked for again when a token names one that is not among them, at most every
 * 30 seconds; every second while there are none.
 */
export function keysAt(url: string): JWTVerifyGetKey {
  let askedAt = -Infinity;
  return createRemoteJWKSet(new URL(url), {
    timeoutDuration: TIMEOUT_MS,
    [customFetch]: async (...request) => {
      const now = performance.now();
      if (now - askedAt < REST_MS) throw new Error('the server of keys was asked just now');
      askedAt = now;
      return fetch(...request);
    },
  });
}
