import { expect, test } from '@jest/globals';
import { silentLogger } from '../log/logger.js';
import { RecordingLog } from '@huizhi/testing';
import { Shutdown } from './shutdown.js';

test('Shutdown runs the phases in their order, in any order of registration', async () => {
  const shutdown = new Shutdown(silentLogger);
  const order: string[] = [];
  for (const phase of ['database', 'bus', 'edge', 'work'] as const) {
    shutdown.on(phase, phase, async () => {
      await Promise.resolve();
      order.push(phase);
    });
  }
  expect(shutdown.signal.aborted).toBe(false);
  expect(await shutdown.run(1_000)).toEqual([]);
  expect(order).toEqual(['edge', 'work', 'bus', 'database']);
  expect(shutdown.signal.aborted).toBe(true);
});

test('a hook that fails is logged and does not prevent the next phase', async () => {
  const log = new RecordingLog();
  const shutdown = new Shutdown(log);
  let closed = false;
  shutdown.on('edge', 'sockets', () => {
    throw new Error('no');
  });
  shutdown.on('database', 'pool', () => void (closed = true));
  expect(await shutdown.run(1_000)).toEqual([]);
  expect(closed).toBe(true);
  expect(log.lines).toContainEqual(expect.objectContaining({ event: 'shutdown.hook-failed' }));
});

test('Shutdown returns the hooks that hang when the bound is over', async () => {
  const shutdown = new Shutdown(silentLogger);
  shutdown.on('work', 'quick', () => undefined);
  shutdown.on('work', 'stuck', () => new Promise(() => undefined));
  expect(await shutdown.run(30)).toEqual(['work:stuck']);
});

test('Shutdown runs once, however often it is called', async () => {
  const shutdown = new Shutdown(silentLogger);
  let runs = 0;
  shutdown.on('work', 'count', () => void (runs += 1));
  await Promise.all([shutdown.run(100), shutdown.run(100)]);
  expect(runs).toBe(1);
});
