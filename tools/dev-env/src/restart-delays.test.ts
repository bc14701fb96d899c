import { describe, expect, it } from '@jest/globals';
import { RestartDelays } from './restart-delays.js';

describe('RestartDelays', () => {
  it('doubles from 0.2 s to at most 5 s when a process ends repeatedly', () => {
    const delays = new RestartDelays();
    expect([1, 2, 3, 4, 5, 6, 7].map(() => delays.next(0))).toEqual([200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
    expect(delays.isRepeated).toBe(true);
  });

  it('starts from the first delay when the process has lived 30 s', () => {
    const delays = new RestartDelays();
    delays.next(0);
    expect(delays.next(29_999)).toBe(400);
    expect(delays.next(30_000)).toBe(200);
    expect(delays.isRepeated).toBe(false);
  });

  it('stays at 5 s after thousands of attempts', () => {
    const delays = new RestartDelays();
    for (let n = 0; n < 5_000; n++) delays.next(0);
    expect(delays.next(0)).toBe(5_000);
  });
});
