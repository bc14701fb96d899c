import { afterEach, describe, expect, test } from '@jest/globals';
import {
  armFailpoints,
  declareFailpoints,
  disarmFailpoints,
  enableFailpoints,
  failpoint,
  failpointAsync,
  failpointStatus,
  resetFailpoints,
  seededBug,
} from './failpoints.js';
import { parseFailpoints } from './spec.js';

declareFailpoints('test.one', 'test.two', 'bug.test');
afterEach(() => resetFailpoints());

/** The numbers (from 1) of those of n hits that threw. */
function firing(n: number, name = 'test.one'): number[] {
  return Array.from({ length: n }, (_, i) => i + 1).filter(() => {
    try {
      failpoint(name);
      return false;
    } catch {
      return true;
    }
  });
}

describe('a failpoint', () => {
  test('does nothing and counts nothing until failpoints are enabled', () => {
    failpoint('test.undeclared');
    failpoint('test.one');
    expect(failpointStatus()).toContainEqual({ name: 'test.one', hits: 0, fired: 0, armed: '' });
    expect(() => armFailpoints('test.one=error')).toThrow('not enabled');
  });

  test.each([
    ['error', [1, 2, 3, 4, 5]],
    ['error@2', [2]],
    ['errorx2', [1, 2]],
    ['error@3x2', [3, 4]],
  ])('armed with %s fires at %j', (action, expected) => {
    enableFailpoints();
    armFailpoints(`test.one=${action}`);
    expect(firing(5)).toEqual(expected);
    expect(failpointStatus().find((p) => p.name === 'test.one')).toMatchObject({ hits: 5, fired: expected.length });
  });

  test('counts from its arming, so that a running process can be armed for the next hit', () => {
    enableFailpoints();
    firing(3);
    armFailpoints('test.one=error@1');
    expect(firing(2)).toEqual([1]);
    expect(failpointStatus().find((p) => p.name === 'test.one')).toMatchObject({ hits: 5, fired: 1 });
  });

  test('does not affect other failpoints, and has no effect when disarmed', () => {
    enableFailpoints();
    armFailpoints('test.one=error, test.two=error');
    disarmFailpoints('test.one');
    expect(firing(1, 'test.one')).toEqual([]);
    expect(firing(1, 'test.two')).toEqual([1]);
  });

  test('waits or rejects in asynchronous code', async () => {
    enableFailpoints();
    armFailpoints('test.one=delay:30x1,test.two=error');
    const begun = performance.now();
    await failpointAsync('test.one');
    expect(performance.now() - begun).toBeGreaterThanOrEqual(25);
    await failpointAsync('test.one');
    await expect(failpointAsync('test.two')).rejects.toThrow('failpoint test.two');
  });

  test('throws when it is passed undeclared while failpoints are enabled', () => {
    enableFailpoints();
    expect(() => failpoint('test.typo')).toThrow('not declared');
  });
});

describe('a seeded bug', () => {
  test('is true when armed, as often as its spec says', () => {
    enableFailpoints({ bugs: true });
    expect(seededBug('bug.test')).toBe(false);
    armFailpoints('bug.test=error@2');
    expect([1, 2, 3].map(() => seededBug('bug.test'))).toEqual([false, true, false]);
  });

  test('can only be armed in a test, and does nothing while failpoints are disabled', () => {
    expect(seededBug('bug.test')).toBe(false);
    enableFailpoints();
    expect(() => armFailpoints('test.one=error,bug.test=error')).toThrow('only with NODE_ENV=test');
    expect(firing(1)).toEqual([]);
  });
});

describe('arming', () => {
  test('fails for an unknown name and then arms nothing', () => {
    enableFailpoints();
    expect(() => armFailpoints('test.one=error,test.typo=error')).toThrow('unknown failpoint test.typo');
    expect(firing(1)).toEqual([]);
  });

  test.each([
    'test.one',
    'test.one=',
    'test.one=explode',
    'test.one=delay',
    'test.one=error@0',
    'test.one=errorx0',
    '=error',
  ])('refuses %s', (text) => {
    expect(() => parseFailpoints(text)).toThrow('is no failpoint');
  });

  test('accepts an empty text', () => {
    expect(parseFailpoints('')).toEqual([]);
  });
});
