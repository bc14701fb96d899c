import { expect, test } from '@jest/globals';
import { LaneOwners } from './lane-owners.js';

const lanes = (epoch: number, ...numbers: number[]) => numbers.map((lane) => ({ lane, epoch, head: 0 }));

test('tells of a lane that has a new owner once, whichever announcement is the first to come', () => {
  const owners = new LaneOwners();
  expect(owners.hear({ owner: 'a', taken: true, lanes: lanes(1, 3, 4) })).toEqual([3, 4]);
  expect(owners.hear({ owner: 'a', taken: false, lanes: lanes(1, 3, 4) })).toEqual([]);
  // The word of the taking was lost; this one comes a second later.
  expect(owners.hear({ owner: 'b', taken: false, lanes: lanes(2, 4) })).toEqual([4]);
  expect([owners.of(3), owners.of(4), owners.of(5)]).toEqual(['a', 'b', undefined]);
});

test('an owner of before changes nothing, and one that has taken its lane anew counts as new', () => {
  const owners = new LaneOwners();
  owners.hear({ owner: 'b', taken: true, lanes: lanes(2, 4) });
  expect(owners.hear({ owner: 'a', taken: true, lanes: lanes(1, 4) })).toEqual([]);
  expect(owners.of(4)).toBe('b');
  expect(owners.hear({ owner: 'b', taken: true, lanes: lanes(3, 4) })).toEqual([4]);
});

test('a lane given back has no owner until the next one speaks', () => {
  const owners = new LaneOwners();
  owners.hear({ owner: 'a', taken: true, lanes: lanes(1, 4) });
  owners.hear({ owner: 'stranger', taken: false, lanes: [], released: [4] });
  expect(owners.of(4)).toBe('a');
  owners.hear({ owner: 'a', taken: false, lanes: [], released: [4] });
  expect(owners.of(4)).toBeUndefined();
  expect(owners.hear({ owner: 'b', taken: true, lanes: lanes(2, 4) })).toEqual([4]);
});
