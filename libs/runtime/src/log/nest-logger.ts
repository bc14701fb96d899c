import type { LoggerService } from '@nestjs/common';
import type { Logger } from './logger.js';
import { RateLimitedLog } from './rate-limited.js';

const INTERVAL_MS = 10_000;

/**
 * Writes lines of Nest itself in the format of this system. Its `log` lines (routes, modules) are start-up details and
 * go to debug. Warnings and errors, one per failed request in Nest, are rate-limited per context.
 */
export class NestLogger implements LoggerService {
  private readonly failures: Logger;

  constructor(private readonly logger: Logger) {
    this.failures = new RateLimitedLog(logger, INTERVAL_MS, (_, fields) => String(fields?.['context']));
  }

  log(message: unknown, ...rest: unknown[]): void {
    this.logger.debug('nest', fields(message, rest));
  }

  debug(message: unknown, ...rest: unknown[]): void {
    this.logger.debug('nest', fields(message, rest));
  }

  verbose(message: unknown, ...rest: unknown[]): void {
    this.logger.debug('nest', fields(message, rest));
  }

  warn(message: unknown, ...rest: unknown[]): void {
    this.failures.warn('nest', fields(message, rest));
  }

  error(message: unknown, ...rest: unknown[]): void {
    this.failures.error('nest', fields(message, rest));
  }

  fatal(message: unknown, ...rest: unknown[]): void {
    this.failures.error('nest', fields(message, rest));
  }
}

/** Nest passes the context last, and for errors a stack before it. */
function fields(message: unknown, rest: readonly unknown[]): Record<string, unknown> {
  const context = rest.at(-1);
  const stack = rest.length > 1 ? rest[0] : undefined;
  return {
    ...(message instanceof Error ? { error: message } : { message }),
    ...(typeof context === 'string' ? { context } : {}),
    ...(typeof stack === 'string' ? { stack } : {}),
  };
}
