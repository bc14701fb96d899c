import { expect, jest, test } from '@jest/globals';
import type { LaneEvent } from '@huizhi/protocol';
import { deferred } from '@huizhi/runtime';
import { Recipients } from './recipients.js';

const event = (about: Partial<LaneEvent>): LaneEvent => ({
  position: 5,
  conversation: 'g_1',
  seq: 1,
  serverTime: 1,
  user: 'alice',
  device: 'phone',
  ...about,
});
const names = (found: readonly { user: string }[] | undefined): string[] | undefined => found?.map((one) => one.user);

test('a pair and a new group say who they are; the group is remembered', () => {
  const membersAsOf = jest.fn<() => Promise<string[]>>();
  const recipients = new Recipients({ lanes: 4, membersAsOf, onAnswer: () => undefined });
  expect(names(recipients.of(event({ pair: ['alice', 'bob'] })))).toEqual(['alice', 'bob']);
  expect(names(recipients.of(event({ members: ['alice', 'bob', 'carol'] })))).toEqual(['alice', 'bob', 'carol']);
  expect(names(recipients.of(event({ position: 6 })))).toEqual(['alice', 'bob', 'carol']);
  expect(membersAsOf).not.toHaveBeenCalled();
});

test('an unknown group is asked for once, as of the event, until there is an answer', async () => {
  const answered = deferred();
  const membersAsOf = jest
    .fn<(conversation: string, position: number) => Promise<string[]>>()
    .mockRejectedValueOnce(new Error('nobody there'))
    .mockResolvedValue(['bob']);
  const recipients = new Recipients({ lanes: 4, membersAsOf, onAnswer: () => answered.resolve() });
  recipients.expect(event({}));
  expect(recipients.of(event({}))).toBeUndefined();
  await answered.promise;
  expect(names(recipients.of(event({})))).toEqual(['bob']);
  expect(membersAsOf.mock.calls).toEqual([
    ['g_1', 5],
    ['g_1', 5],
  ]);
});

test('remembers a bounded number of members, the longest unused group goes first', () => {
  const never = () => new Promise<string[]>(() => undefined);
  const recipients = new Recipients({ lanes: 4, membersAsOf: never, onAnswer: () => undefined, maxMembers: 4 });
  recipients.of(event({ conversation: 'g_1', members: ['a', 'b'] }));
  recipients.of(event({ conversation: 'g_2', members: ['c', 'd'] }));
  recipients.of(event({ conversation: 'g_1' }));
  recipients.of(event({ conversation: 'g_3', members: ['e'] }));
  expect(names(recipients.of(event({ conversation: 'g_1' })))).toEqual(['a', 'b']);
  expect(recipients.of(event({ conversation: 'g_2' }))).toBeUndefined();
});
