import type { INestApplication } from '@nestjs/common';
import type { Health } from '../health/health.js';
import type { Logger } from '../log/logger.js';
import type { Shutdown } from '../shutdown/shutdown.js';

/**
 * Crash-only: after an uncaught error the memory cannot be trusted, so the process exits and a new one reads the
 * database.
 */
export function exitOnFatalErrors(log: Logger): void {
  const end = (event: string) => (error: unknown) => {
    log.error(event, { error });
    process.exit(1);
  };
  process.on('uncaughtException', end('process.uncaught-exception'));
  process.on('unhandledRejection', end('process.unhandled-rejection'));
}

interface Ending {
  readonly app: INestApplication;
  readonly health: Health;
  readonly shutdown: Shutdown;
  readonly log: Logger;
  readonly boundMs: number;
}

/**
 * SIGTERM and SIGINT start the graceful shutdown; a second signal ends the process at once, which is as safe as a
 * crash.
 */
export function stopOnSignals(ending: Ending): void {
  let begun = false;
  const begin = (signal: NodeJS.Signals): void => {
    if (begun) {
      ending.log.error('service.stop-cut-short', { signal });
      process.exit(1);
    }
    begun = true;
    void stop(ending, signal);
  };
  process.on('SIGTERM', begin);
  process.on('SIGINT', begin);
}

/**
 * Marks the service unready, runs the shutdown phases, and closes Nest; then the process ends by itself. When the bound
 * is over, logs what keeps the process alive and exits with 1.
 */
async function stop({ app, health, shutdown, log, boundMs }: Ending, signal: NodeJS.Signals): Promise<void> {
  log.info('service.stopping', { signal });
  health.markUnready('stopping');
  const started = performance.now();
  // Unreferenced: it fires only if something else keeps the process alive.
  setTimeout(() => giveUp(log, 'resources', process.getActiveResourcesInfo()), boundMs + 500).unref();
  const hanging = await shutdown.run(boundMs);
  if (hanging.length > 0) giveUp(log, 'hooks', hanging);
  await app.close();
  log.info('service.stopped', { ms: Math.round(performance.now() - started) });
}

function giveUp(log: Logger, what: string, hanging: readonly string[]): never {
  log.error('service.stop-overdue', { what, hanging });
  process.exit(1);
}
