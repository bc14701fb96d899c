import { expect, test } from '@jest/globals';
import { assertAllHandled } from './handled.js';

test('accepts exactly one handler for each declared name', () => {
  expect(() => assertAllHandled(['a', 'b'], ['b', 'a'])).not.toThrow();
});

test('reports every missing, unknown or duplicate handler and how to fix it', () => {
  expect(() => assertAllHandled(['a', 'b'], ['b', 'b', 'c'], 'command')).toThrow(
    [
      'command "a" has no handler: add one, or remove its declaration',
      'command "b" has 2 handlers: keep one',
      'command "c" is handled but not declared: declare it, or fix the name',
    ].join('\n'),
  );
});
