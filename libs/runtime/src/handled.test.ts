import { expect, test } from '@jest/globals';
import { assertAllHandled } from './handled.js';

test('accepts exactly one handler for each declared name', () => {
  expect(() => assertAllHandled(['a', 'b'], ['b', 'a'])).not.toThrow();
});

test('names everything that is missing, unknown or doubled and says how to mend it', () => {
  expect(() => assertAllHandled(['a', 'b'], ['b', 'b', 'c'], 'command')).toThrow(
    [
      'command "a" has no handler: add one, or remove its declaration',
      'command "b" has 2 handlers: keep one',
      'command "c" is handled but not declared: declare it, or mend the name',
    ].join('\n'),
  );
});
