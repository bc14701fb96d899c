import { expect, test } from '@jest/globals';
import { titlesIn } from './named-tests.js';

test('titlesIn() returns the titles of tests that run, but not of skipped or quoted ones', () => {
  const source = `
    test('plain', () => {});
    describe('a group', () => {
      it('of it', () => {});
      describe.each(['a'])('and %s', () => test('inside', () => {}));
      test.each([
        ['a', () => test],
      ])('each %s', () => {});
      it.each<string>(rows)(
        'each of it',
        () => {},
      );
    });
    test.skip('skipped', () => {});
    test.skip.each(rows)('skipped %s', () => {});
    test.todo('to be written');
    test.failing('broken', () => {});
    xtest('crossed out', () => {});
    describe.skip('all of it', () => test('skipped inside', () => {}));
    describe.skip.each(rows)('all of %s', () => test('skipped for each', () => {}));
    (slow ? test.skip : test)('conditional', () => {});
    // test('in a comment', () => {});
    const text = "test('quoted', () => {})";
    expect('no title');`;
  expect([...titlesIn(source)]).toEqual(['plain', 'of it', 'inside', 'each %s', 'each of it']);
});
