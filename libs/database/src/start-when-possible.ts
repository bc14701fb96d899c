import { Backoff, type Health, type Logger, pause, rateLimited } from '@huizhi/runtime';
import { PendingMigrationsError, PoolerError } from './errors.js';
import { LaneCountError } from './lanes/lane-count.js';

/** Errors that waiting does not fix. */
const FINAL = [PendingMigrationsError, PoolerError, LaneCountError];

export interface StartContext {
  log: Logger;
  health: Health;
  /** Aborted when the process ends. */
  signal: AbortSignal;
}

/**
 * Retries `start`, which needs a server that may not be there yet, with back-off until it succeeds. Meanwhile the
 * process answers `/livez`, and `/readyz` shows what it waits for.
 * @throws errors that waiting cannot fix (an old schema, a pooler, another lane count); they end the process
 */
export async function startWhenPossible(
  name: string,
  context: StartContext,
  start: () => Promise<void>,
): Promise<void> {
  const { health, signal } = context;
  const log = rateLimited(context.log);
  let state = 'not started yet';
  health.addReadinessCheck(name, () => state);
  const backoff = new Backoff(100, 3_000);
  while (!signal.aborted) {
    try {
      await start();
      state = 'ok';
      return;
    } catch (error) {
      if (FINAL.some((kind) => error instanceof kind)) throw error;
      state = `cannot start: ${(error as Error).message}`;
      log.warn('service.waiting', { for: name, error });
    }
    await pause(backoff.next(), signal);
  }
}
