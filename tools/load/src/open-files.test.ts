import { expect, test } from '@jest/globals';
import { modes } from './modes.js';
import { tooFewFiles } from './open-files.js';

const options = { sessions: 200, rate: 0, warmUp: 0, seconds: 0, bytes: 0, messages: 0, members: 0, minutes: 0 };

test('tooFewFiles() counts the files of stalled connections', () => {
  expect(tooFewFiles(options, modes['throughput']!, 1_000)).toBeUndefined();
  expect(tooFewFiles(options, modes['hostile']!, 1_000)).toContain('2700 open files are needed and 1000 are allowed');
});
