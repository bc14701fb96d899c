import { expect, test } from '@jest/globals';
import type { LogLevel } from '../config/common.js';
import { createLogger, type Logger } from './logger.js';
import { NestLogger } from './nest-logger.js';

function capture(level: LogLevel = 'info'): { log: Logger; lines: () => Record<string, unknown>[]; raw: () => string } {
  let raw = '';
  const log = createLogger('message', 'message-1', level, { write: (line) => void (raw += line) });
  const lines = (): Record<string, unknown>[] =>
    raw
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  return { log, lines, raw: () => raw };
}

test('a logger writes one JSON object per line with service, instance and event', () => {
  const { log, lines } = capture();
  log.info('lane.taken', { lane: 3 });
  log.debug('lane.detail');
  log.error('lane.lost', { lane: 4 });
  expect(lines()).toEqual([
    expect.objectContaining({ level: 'info', service: 'message', instance: 'message-1', event: 'lane.taken', lane: 3 }),
    expect.objectContaining({ level: 'error', event: 'lane.lost', lane: 4 }),
  ]);
});

test('a logger hides message content and credentials at any depth', () => {
  const { log, raw } = capture();
  const hidden = {
    content: { text: 'hunter2' },
    frame: 'hunter2',
    Authorization: 'Bearer hunter2',
    accessToken: 'hunter2',
  };
  log.error('x', {
    ...hidden,
    deep: { a: { b: [{ ...hidden }] } },
    tooDeep: { a: { b: { c: { d: { e: { f: 'hunter2' } } } } } },
    bytes: Buffer.from('hunter2'),
    map: new Map([['k', { body: 'hunter2' }]]),
    url: 'connect to postgres://root:hunter2@db:5432/x failed',
  });
  expect(raw()).not.toContain('hunter2');
  expect(raw()).toContain('postgres://root:***@db');
});

test('a logger keeps name, code, message, stack and cause of an error, and no other field', () => {
  const { log, lines, raw } = capture();
  const cause = Object.assign(new Error('inner'), { code: '23505', detail: 'Key (x)=(hunter2)' });
  const error = Object.assign(new Error('outer', { cause }), { parameters: ['hunter2'], query: 'insert hunter2' });
  log.error('x', { error });
  expect(lines()[0]?.['error']).toMatchObject({
    name: 'Error',
    message: 'outer',
    cause: { code: '23505', message: 'inner' },
  });
  expect(raw()).not.toContain('hunter2');
});

test('a logger quotes nothing of JSON that cannot be parsed', () => {
  const { log, raw } = capture();
  for (const json of ['hunter2', '{"a":"b"}hunter2', '{"a":hunter2}', '"hunter2', '{"hunter2":1,}', "'hunter2'"]) {
    try {
      JSON.parse(json);
    } catch (error) {
      log.error('x', { error });
    }
  }
  expect(raw()).toContain('SyntaxError');
  expect(raw()).not.toContain('hunter');
});

test('a logger handles cycles and cuts long values', () => {
  const { log, raw } = capture();
  const cycle: Record<string, unknown> = {};
  cycle['self'] = cycle;
  log.info('x', { cycle, many: Array.from({ length: 10_000 }, (_, i) => i), long: 'a'.repeat(1_000_000) });
  expect(raw().length).toBeLessThan(4_000);
});

test('lines of Nest have the same format, its informational ones at level debug', () => {
  const { log, lines } = capture('info');
  const nest = new NestLogger(log);
  nest.log('Mapped {/livez, GET} route', 'RouterExplorer');
  nest.warn('careful', 'SomeContext');
  nest.error('broken', 'at somewhere', 'SomeContext');
  expect(lines()).toEqual([
    expect.objectContaining({ level: 'warn', event: 'nest', message: 'careful', context: 'SomeContext' }),
    expect.objectContaining({ level: 'error', message: 'broken', stack: 'at somewhere', context: 'SomeContext' }),
  ]);
});
