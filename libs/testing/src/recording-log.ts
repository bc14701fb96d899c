import type { Logger } from '@huizhi/runtime';

/** Keeps log lines for tests that inspect them. */
export class RecordingLog implements Logger {
  readonly lines: { level: string; event: string; fields: Readonly<Record<string, unknown>> }[] = [];

  debug = this.recorder('debug');
  info = this.recorder('info');
  warn = this.recorder('warn');
  error = this.recorder('error');

  events(level: string): string[] {
    return this.lines.filter((line) => line.level === level).map((line) => line.event);
  }

  private recorder(level: string): Logger['info'] {
    return (event, fields = {}) => this.lines.push({ level, event, fields });
  }
}
