import { expect, test } from '@jest/globals';
import { LaneOwners } from './lane-owners.js';

const lanes = (epoch: number, ...numbers: number[]) => numbers.map((lane) => ({ lane, epoch, head: 0 }));

test('the first announcement of a new owner reports its lanes, and later ones do not', () => {
  const owners = new LaneOwners();
  expect(owners.announced({ owner: 'a', taken: true, lanes: lanes(1, 3, 4) })).toEqual([3, 4]);
  expect(owners.announced({ owner: 'a', taken: false, lanes: lanes(1, 3, 4) })).toEqual([]);
  // The announcement of the take-over was lost; the next one repeats the epoch.
  expect(owners.announced({ owner: 'b', taken: false, lanes: lanes(2, 4) })).toEqual([4]);
  expect([owners.of(3), owners.of(4), owners.of(5)]).toEqual(['a', 'b', undefined]);
});

test('an announcement with an older epoch changes nothing, and one with a newer epoch counts as new', () => {
  const owners = new LaneOwners();
  owners.announced({ owner: 'b', taken: true, lanes: lanes(2, 4) });
  expect(owners.announced({ owner: 'a', taken: true, lanes: lanes(1, 4) })).toEqual([]);
  expect(owners.of(4)).toBe('b');
  expect(owners.announced({ owner: 'b', taken: true, lanes: lanes(3, 4) })).toEqual([4]);
});

test('a released lane has no owner until the next announcement', () => {
  const owners = new LaneOwners();
  owners.announced({ owner: 'a', taken: true, lanes: lanes(1, 4) });
  owners.announced({ owner: 'another', taken: false, lanes: [], released: [4] });
  expect(owners.of(4)).toBe('a');
  owners.announced({ owner: 'a', taken: false, lanes: [], released: [4] });
  expect(owners.of(4)).toBeUndefined();
  expect(owners.announced({ owner: 'b', taken: true, lanes: lanes(2, 4) })).toEqual([4]);
});
