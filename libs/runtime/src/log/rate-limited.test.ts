import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { RecordingLog } from '@huizhi/testing';
import { RateLimitedLog } from './rate-limited.js';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

test('a rate-limited log writes the first event at once and the last of the following ones after the interval', () => {
  const recorded = new RecordingLog();
  const log = new RateLimitedLog(recorded, 10_000);
  for (let n = 1; n <= 500; n++) log.warn('read.failed', { n });
  expect(recorded.lines).toEqual([{ level: 'warn', event: 'read.failed', fields: { n: 1 } }]);
  jest.advanceTimersByTime(10_000);
  expect(recorded.lines.slice(1)).toEqual([
    { level: 'warn', event: 'read.failed', fields: { n: 500, suppressed: 498 } },
  ]);
});

test('a rate-limited log writes one line per interval, and at once again after an interval without events', () => {
  const recorded = new RecordingLog();
  const log = new RateLimitedLog(recorded, 10_000);
  for (let second = 0; second < 60; second++) {
    log.error('commit.failed');
    jest.advanceTimersByTime(1_000);
  }
  expect(recorded.lines.length).toBeLessThanOrEqual(7);
  jest.advanceTimersByTime(20_000);
  const before = recorded.lines.length;
  log.error('commit.failed');
  expect(recorded.lines).toHaveLength(before + 1);
});

test('a rate-limited log distinguishes events by name, and by its key when it has one', () => {
  const recorded = new RecordingLog();
  const log = new RateLimitedLog(recorded, 10_000, (event, fields) => `${event} ${String(fields?.['context'])}`);
  log.warn('nest', { context: 'A' });
  log.warn('nest', { context: 'B' });
  log.warn('nest', { context: 'A' });
  log.warn('other', { context: 'A' });
  expect(recorded.lines).toHaveLength(3);
});
