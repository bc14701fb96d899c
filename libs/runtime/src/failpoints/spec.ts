/** What a failpoint does when it fires. */
export type FailpointAction =
  { readonly kind: 'crash' | 'error' | 'hang' } | { readonly kind: 'delay'; readonly ms: number };

export interface FailpointSpec {
  readonly name: string;
  readonly action: FailpointAction;
  /** The first hit, counted from 1 since arming, at which it fires. */
  readonly fromHit: number;
  /** How many consecutive hits fire. */
  readonly times: number;
}

export class FailpointSpecError extends Error {
  override readonly name = 'FailpointSpecError';
  readonly code = 'failpoint_spec';
}

const GRAMMAR = /^([a-z0-9.-]+)=(crash|error|hang|delay:(\d{1,7}))(?:@(\d{1,9}))?(?:x(\d{1,9}))?$/;

/**
 * `name=action[@N][xM]`, several separated by commas. `action` is `crash`, `error`, `hang` or `delay:<ms>`.
 * `@N` fires at the Nth hit only, `xM` at M hits in a row, `@NxM` at M hits from the Nth; without both, at every hit.
 * @throws FailpointSpecError
 */
export function parseFailpoints(text: string): FailpointSpec[] {
  const parts = text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  return parts.map((part) => {
    const [, name, action, ms, from, times] = GRAMMAR.exec(part) ?? [];
    if (!name || !action || from === '0' || times === '0') {
      throw new FailpointSpecError(
        `"${part}" is no failpoint: write name=crash|error|hang|delay:<ms>, then @N and xM if wanted`,
      );
    }
    return {
      name,
      action: ms === undefined ? { kind: action as 'crash' | 'error' | 'hang' } : { kind: 'delay', ms: Number(ms) },
      fromHit: from ? Number(from) : 1,
      times: times ? Number(times) : from ? 1 : Infinity,
    };
  });
}
