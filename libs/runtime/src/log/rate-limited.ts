import type { Logger } from './logger.js';

type Level = keyof Logger;
type Fields = Readonly<Record<string, unknown>>;

interface Window {
  left: number;
  fields: Fields | undefined;
}

/**
 * Limits how often an event is logged, for events that an outage or a client can repeat without end. The first is
 * logged at once. Of those that follow within `intervalMs`, only the last is logged at the end of the interval, with
 * `suppressed`: the number left out before it. Events are distinguished by level, name and, if given, `key`.
 */
export class RateLimitedLog implements Logger {
  private readonly windows = new Map<string, Window>();

  constructor(
    private readonly log: Logger,
    private readonly intervalMs = 10_000,
    private readonly key: (event: string, fields: Fields | undefined) => string = (event) => event,
  ) {}

  debug(event: string, fields?: Fields): void {
    this.write('debug', event, fields);
  }

  info(event: string, fields?: Fields): void {
    this.write('info', event, fields);
  }

  warn(event: string, fields?: Fields): void {
    this.write('warn', event, fields);
  }

  error(event: string, fields?: Fields): void {
    this.write('error', event, fields);
  }

  private write(level: Level, event: string, fields: Fields | undefined): void {
    const key = `${level} ${this.key(event, fields)}`;
    const window = this.windows.get(key);
    if (window) {
      window.left += 1;
      window.fields = fields;
      return;
    }
    this.log[level](event, fields);
    this.open(key, level, event);
  }

  private open(key: string, level: Level, event: string): void {
    const window: Window = { left: 0, fields: undefined };
    this.windows.set(key, window);
    setTimeout(() => {
      this.windows.delete(key);
      if (window.left === 0) return;
      this.log[level](event, { ...window.fields, suppressed: window.left - 1 });
      this.open(key, level, event);
    }, this.intervalMs).unref();
  }
}

/** The same logger, limited to one line per event and 10 s. */
export const rateLimited = (log: Logger): Logger => new RateLimitedLog(log);
