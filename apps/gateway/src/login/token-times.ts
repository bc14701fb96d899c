/** The time claims of a token, unvalidated; valid ones are seconds since 1970. */
export interface TokenTimes {
  readonly iat?: unknown;
  readonly nbf?: unknown;
  readonly exp?: unknown;
}

/** Maximum validity of a token. A claim in milliseconds is tens of thousands of years ahead and fails this check. */
const MAX_AHEAD_S = 100 * 31_557_600;

const isPlausible = (value: unknown, now: number): boolean =>
  value === undefined || (typeof value === 'number' && value >= 0 && value <= now + MAX_AHEAD_S);

/** A claim that is present and plausible is a number. */
const timeOf = (value: unknown, absent: number): number => (typeof value === 'number' ? value : absent);

/**
 * Checks the time claims of a token except for expiry. A token from the future would survive each revocation until its
 * `iat`, so `iat` has an upper bound.
 * @param nowMs the gateway's wall clock
 * @param leewayMs how far the issuer's clock may be ahead of it
 * @returns the problem, which begins with the name of the claim
 */
export function timesProblem({ iat, nbf, exp }: TokenTimes, nowMs: number, leewayMs: number): string | undefined {
  const now = nowMs / 1_000;
  for (const [claim, value] of Object.entries({ iat, nbf, exp })) {
    if (!isPlausible(value, now)) return `${claim} is not a plausible number of seconds since 1970`;
  }
  const latest = now + leewayMs / 1_000;
  if (timeOf(iat, 0) > latest) return "iat is ahead of the server's clock";
  if (timeOf(nbf, 0) > latest) return "nbf is ahead of the server's clock";
  if (timeOf(exp, Infinity) <= timeOf(iat, -1)) return 'exp is not after iat';
  if (timeOf(exp, Infinity) <= timeOf(nbf, -1)) return 'exp is not after nbf';
  return undefined;
}

export const isExpired = ({ exp }: TokenTimes, nowMs: number): boolean => timeOf(exp, 0) * 1_000 <= nowMs;
