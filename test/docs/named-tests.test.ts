import { expect, test } from '@jest/globals';
import { titlesIn } from './named-tests.js';

test('a test counts that runs, once or for each of several rows; one that is skipped or only spoken of does not', () => {
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
    (slow ? test.skip : test)('perhaps', () => {});
    // test('spoken of', () => {});
    const text = "test('quoted', () => {})";
    expect('no title');`;
  expect([...titlesIn(source)]).toEqual(['plain', 'of it', 'inside', 'each %s', 'each of it']);
});
