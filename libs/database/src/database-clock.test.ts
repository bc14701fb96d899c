import { expect, test } from '@jest/globals';
import { RecordingLog } from '@huizhi/testing';
import { DatabaseClock } from './database-clock.js';

const DAY = 86_400_000;

/** A clock with sources that the test sets: real time starts at `T`, and the wall clock is `ahead` of it. */
function clockFixture() {
  const T = 1_800_000_000_000;
  const state = { elapsed: 0, ahead: 0 };
  const log = new RecordingLog();
  const clock = new DatabaseClock({
    boundMs: 5_000,
    log,
    wall: () => T + state.elapsed + state.ahead,
    monotonic: () => state.elapsed,
  });
  const sample = (tookMs = 0): void => {
    const sentAt = state.elapsed;
    state.elapsed += tookMs;
    clock.sample(T + sentAt + tookMs / 2, sentAt);
  };
  return { clock, state, log, sample, real: () => T + state.elapsed };
}

test("a clock within the bound of the database's clock is used, to the millisecond", () => {
  const { clock, state, sample, real, log } = clockFixture();
  sample();
  for (const ahead of [0, 4_999, -4_999]) {
    state.ahead = ahead;
    expect(clock.now()).toBe(real() + ahead);
  }
  expect(log.lines).toEqual([]);
});

test.each([3 * DAY, -3 * DAY, 6_000])(
  'a clock that jumps by %d ms between two samples is overruled at once',
  (ahead) => {
    const { clock, state, sample, real, log } = clockFixture();
    sample();
    state.elapsed += 700;
    state.ahead = ahead;
    expect(clock.now()).toBe(real());
    state.elapsed += 2_300;
    expect(clock.now()).toBe(real());
    state.ahead = 0;
    expect(clock.now()).toBe(real());
    expect(log.lines.map(({ level, event, fields }) => [level, event, fields['offsetMs']])).toEqual([
      ['error', 'clock.overruled', ahead],
      ['info', 'clock.agrees', 0],
    ]);
  },
);

test('a clock that was always wrong is overruled from the first sample on', () => {
  const { clock, state, sample, real } = clockFixture();
  state.ahead = -3_600_000;
  expect(clock.now()).toBe(real() - 3_600_000);
  sample(40);
  expect(clock.now()).toBe(real());
});

test('a sample that took longer than the bound is ignored', () => {
  const { clock, state, sample, real } = clockFixture();
  sample();
  state.ahead = DAY;
  const sentAt = state.elapsed;
  state.elapsed += 6_000;
  clock.sample(0, sentAt);
  expect(clock.now()).toBe(real());
});
