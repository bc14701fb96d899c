import { pino, destination, stdTimeFunctions, type DestinationStream, type Logger as Pino } from 'pino';
import type { LogLevel } from '../config/common.js';
import { loggable } from './redact.js';

/**
 * Logger of domain code: an event name in dotted words (`lane.taken`) and its fields. Fields are copied through {@link
 * loggable}; a field `error` takes any thrown value. Not for the hot path: no log line per message.
 */
export interface Logger {
  debug(event: string, fields?: Readonly<Record<string, unknown>>): void;
  info(event: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(event: string, fields?: Readonly<Record<string, unknown>>): void;
  error(event: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** JSON lines on standard output, written synchronously, so that a crash loses no line. */
export function createLogger(
  service: string,
  instance: string,
  level: LogLevel,
  out: DestinationStream = destination({ dest: 1, sync: true }),
): Logger {
  return new PinoLogger(
    pino(
      {
        level,
        base: { service, instance },
        timestamp: stdTimeFunctions.isoTime,
        formatters: { level: (label) => ({ level: label }) },
      },
      out,
    ),
  );
}

/** Logs nothing; for tests and tools. */
export const silentLogger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };

class PinoLogger implements Logger {
  constructor(private readonly pino: Pino) {}

  debug(event: string, fields?: Readonly<Record<string, unknown>>): void {
    this.write('debug', event, fields);
  }

  info(event: string, fields?: Readonly<Record<string, unknown>>): void {
    this.write('info', event, fields);
  }

  warn(event: string, fields?: Readonly<Record<string, unknown>>): void {
    this.write('warn', event, fields);
  }

  error(event: string, fields?: Readonly<Record<string, unknown>>): void {
    this.write('error', event, fields);
  }

  private write(level: LogLevel, event: string, fields: Readonly<Record<string, unknown>> | undefined): void {
    if (!this.pino.isLevelEnabled(level)) return;
    this.pino[level]({ event, ...(fields ? (loggable(fields) as Record<string, unknown>) : {}) });
  }
}

function ignore(): void {}
