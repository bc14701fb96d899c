import { expect, test } from '@jest/globals';
import type { GroupAt, LaneEvent } from '@huizhi/protocol';
import { deferred, type Deferred } from '@huizhi/runtime';
import fc from 'fast-check';
import { Recipients } from './recipients.js';

const event = (about: Partial<LaneEvent>): LaneEvent => ({
  position: 5,
  conversation: 'g_1',
  seq: 2,
  serverTime: 1,
  user: 'alice',
  device: 'phone',
  ...about,
});
/** Each conversation has its own message lane here, so no position is skipped between two of its events. */
const laneOf = (conversation: string): number => Number(conversation.slice(2)) || 0;
const of = (recipients: Recipients, one: LaneEvent): readonly { user: string }[] | undefined =>
  recipients.of(laneOf(one.conversation), one);
const names = (found: readonly { user: string }[] | undefined): string[] | undefined => found?.map((one) => one.user);
const groups = (from: number, to: number): LaneEvent[] =>
  Array.from({ length: to - from }, (_, n) => event({ conversation: `g_${from + n}`, position: 1 + from + n }));

/** Queued events, and a message service that answers when the test resolves its requests. */
class RecipientsFixture {
  queued: LaneEvent[] = [];
  readonly asked: (Deferred<string[][]> & { groups: readonly GroupAt[] })[] = [];
  readonly recipients: Recipients;
  private readonly listeners: { count: number; heard: Deferred<void> }[] = [];

  constructor(maxMembers?: number) {
    this.recipients = new Recipients({
      lanes: 4,
      membersAsOf: (groups) => {
        const request = { ...deferred<string[][]>(), groups };
        this.asked.push(request);
        for (const { count, heard } of this.listeners) if (this.asked.length >= count) heard.resolve();
        return request.promise;
      },
      ahead: () => this.queued,
      onAnswer: () => undefined,
      ...(maxMembers !== undefined && { maxMembers }),
    });
  }

  /** The writer reaches the first of these events; all of them are queued. */
  reach(...events: LaneEvent[]): readonly { user: string }[] | undefined {
    this.queued = events;
    return of(this.recipients, events[0]!);
  }

  /** Resolves with all requests when there are `count`, and some turns of the event loop have brought no more. */
  async requests(count: number): Promise<(readonly GroupAt[])[]> {
    const heard = deferred();
    this.listeners.push({ count, heard });
    if (this.asked.length >= count) heard.resolve();
    await heard.promise;
    // An answer is handled in one turn, and the requests that follow from it start in the next.
    for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
    return this.asked.map((request) => request.groups);
  }
}

test('a pair and a new group name their recipients; the group is remembered and no members are requested', async () => {
  const fixture = new RecipientsFixture();
  expect(names(fixture.reach(event({ pair: ['alice', 'bob'] })))).toEqual(['alice', 'bob']);
  const made = event({ seq: 1, change: { joined: ['alice', 'bob', 'carol'] } });
  const { recipients } = fixture;
  // Also when a later event of the group is looked ahead before its first event is applied.
  expect(
    names(
      fixture.reach(
        event({ conversation: 'g_0', seq: 1, change: { joined: ['alice'] } }),
        made,
        event({ position: 6 }),
      ),
    ),
  ).toEqual(['alice']);
  await fixture.requests(0);
  expect(names(of(recipients, made))).toEqual(['alice', 'bob', 'carol']);
  expect(names(of(recipients, event({ position: 6 })))).toEqual(['alice', 'bob', 'carol']);
  expect(await fixture.requests(0)).toEqual([]);
});

test('unknown groups of queued events are requested together, once each, at their next position, in queue order', async () => {
  const fixture = new RecipientsFixture();
  const [one, two] = [event({ position: 5 }), event({ conversation: 'g_2', position: 9 })];
  expect(fixture.reach(one, two, event({ position: 6 }), event({ pair: ['alice', 'bob'] }))).toBeUndefined();
  expect(of(fixture.recipients, two)).toBeUndefined();
  expect(await fixture.requests(1)).toEqual([
    [
      ['g_1', 5],
      ['g_2', 9],
    ],
  ]);
  fixture.asked[0]!.resolve([['bob'], ['carol', 'dave']]);
  await fixture.requests(1);
  expect(names(of(fixture.recipients, one))).toEqual(['bob']);
  expect(names(of(fixture.recipients, two))).toEqual(['carol', 'dave']);
  expect(await fixture.requests(1)).toHaveLength(1);
});

test('two requests of 250 groups each are in flight, however many groups are unknown', async () => {
  const fixture = new RecipientsFixture();
  fixture.reach(...groups(0, 1_000));
  const sizes = (await fixture.requests(2)).map((asked) => asked.length);
  expect(sizes).toEqual([250, 250]);
  fixture.asked[1]!.resolve(fixture.asked[1]!.groups.map(() => ['bob']));
  const third = (await fixture.requests(3))[2]!;
  expect(third).toHaveLength(250);
  expect(third[0]).toEqual(['g_500', 501]);
});

test('groups that an answer left out, and groups of a failed request, are requested again first', async () => {
  const fixture = new RecipientsFixture();
  fixture.reach(...groups(0, 300));
  await fixture.requests(2);
  fixture.asked[0]!.resolve([['bob']]);
  expect((await fixture.requests(3))[2]).toEqual(fixture.asked[0]!.groups.slice(1));
  fixture.asked[2]!.reject(new Error('nobody there'));
  expect((await fixture.requests(4))[3]).toEqual(fixture.asked[0]!.groups.slice(1));
});

test('Recipients remembers a bounded number of members and evicts the least recently used group', () => {
  const { recipients } = new RecipientsFixture(4);
  of(recipients, event({ conversation: 'g_1', seq: 1, change: { joined: ['a', 'b'] } }));
  of(recipients, event({ conversation: 'g_2', seq: 1, change: { joined: ['c', 'd'] } }));
  of(recipients, event({ conversation: 'g_1' }));
  of(recipients, event({ conversation: 'g_3', seq: 1, change: { joined: ['e'] } }));
  expect(names(of(recipients, event({ conversation: 'g_1' })))).toEqual(['a', 'b']);
  expect(of(recipients, event({ conversation: 'g_2' }))).toBeUndefined();
});

test('Recipients requests no further ahead than it can remember, so that no answer is evicted before its use', async () => {
  const fixture = new RecipientsFixture(1_000);
  const events = groups(0, 1_000);
  fixture.reach(...events);
  await fixture.requests(2);
  for (const { groups: asked, resolve } of [...fixture.asked]) resolve(asked.map(() => ['bob', 'carol']));
  expect(await fixture.requests(2)).toHaveLength(2);
  for (const known of events.slice(0, 500)) expect(of(fixture.recipients, known)).toHaveLength(2);
  fixture.reach(...events.slice(500));
  expect((await fixture.requests(3))[2]![0]).toEqual(['g_500', 501]);
});

test('Recipients requests nothing after it was stopped', async () => {
  const fixture = new RecipientsFixture();
  fixture.reach(...groups(0, 1));
  await fixture.requests(1);
  fixture.recipients.stop();
  fixture.asked[0]!.reject(new Error('nobody there'));
  expect(await fixture.requests(1)).toHaveLength(1);
});

const change = (position: number, by: { joined?: string[]; left?: string[] }): LaneEvent =>
  event({ position, seq: position, change: by });

test('a member that joins gets that event and later ones; a member that leaves gets that event as the last', () => {
  const { recipients } = new RecipientsFixture();
  const events = [
    change(1, { joined: ['alice', 'bob'] }),
    change(2, { joined: ['carol'] }),
    change(3, { left: ['bob'] }),
    event({ position: 4 }),
    change(5, { joined: ['bob'], left: ['alice'] }),
    event({ position: 6 }),
  ];
  expect(events.map((one) => names(of(recipients, one))?.sort())).toEqual([
    ['alice', 'bob'],
    ['alice', 'bob', 'carol'],
    ['alice', 'bob', 'carol'],
    ['alice', 'carol'],
    ['alice', 'bob', 'carol'],
    ['bob', 'carol'],
  ]);
});

test('an event replayed after a take-over gets the members of its position, and later events get theirs', async () => {
  const fixture = new RecipientsFixture();
  const { recipients } = fixture;
  // This instance starts at position 8 and requested the members there; another lane replays events from 5 on.
  fixture.reach(event({ position: 8 }));
  await fixture.requests(1);
  fixture.asked[0]!.resolve([['alice', 'dave']]);
  await fixture.requests(1);
  expect(names(of(recipients, event({ position: 8 })))).toEqual(['alice', 'dave']);
  expect(fixture.reach(event({ position: 5 }))).toBeUndefined();
  expect((await fixture.requests(2))[1]).toEqual([['g_1', 5]]);
  fixture.asked[1]!.resolve([['alice', 'bob']]);
  await fixture.requests(2);
  expect(names(of(recipients, event({ position: 5 })))).toEqual(['alice', 'bob']);
  expect(names(of(recipients, change(6, { left: ['bob'] })))).toEqual(['alice', 'bob']);
  expect(names(of(recipients, change(7, { joined: ['dave'] })))).toEqual(['alice', 'dave']);
  expect(names(of(recipients, event({ position: 8 })))).toEqual(['alice', 'dave']);
  expect(names(of(recipients, event({ position: 9 })))).toEqual(['alice', 'dave']);
});

test('members are requested again when positions were skipped, and an answer from before is ignored', async () => {
  const fixture = new RecipientsFixture();
  of(fixture.recipients, change(1, { joined: ['alice'] }));
  fixture.reach(event({ conversation: 'g_2', position: 7 }));
  await fixture.requests(1);
  // Both groups are in one lane here, and positions 2 … 19 were applied elsewhere.
  expect(fixture.recipients.of(laneOf('g_1'), event({ position: 20 }))).toBeUndefined();
  fixture.asked[0]!.resolve([['bob']]);
  await fixture.requests(1);
  expect(of(fixture.recipients, event({ conversation: 'g_2', position: 7 }))).toBeUndefined();
});

test('each event reaches the members of its position for any joins and leaves, also when lanes replay it', () => {
  const people = ['a', 'b', 'c', 'd'];
  const step = fc.record({
    joined: fc.subarray(people),
    left: fc.subarray(people),
    replayFrom: fc.option(fc.integer({ min: 1, max: 30 }), { nil: undefined }),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 30 }), (steps) => {
      const { recipients } = new RecipientsFixture();
      const log: { one: LaneEvent; expected: string[] }[] = [];
      let members = new Set<string>();
      for (const [index, { joined, left, replayFrom }] of steps.entries()) {
        const leaving = left.filter((user) => members.has(user) && !joined.includes(user));
        const joining = index === 0 ? people : joined.filter((user) => !members.has(user));
        members = new Set([...[...members].filter((user) => !leaving.includes(user)), ...joining]);
        const isChange = leaving.length > 0 || joining.length > 0;
        const by = { ...(joining.length > 0 && { joined: joining }), ...(leaving.length > 0 && { left: leaving }) };
        const position = index + 1;
        const one = event({ position, seq: position, ...(isChange && { change: by }) });
        log.push({ one, expected: [...members, ...leaving].sort() });
        const from = Math.min(replayFrom ?? position, position);
        // For an event older than the remembered versions, members may have to be requested; they are never wrong.
        for (const { one: replayed, expected } of log.slice(from - 1)) {
          const found = names(of(recipients, replayed))?.sort();
          if (found !== undefined || replayed.position === position) expect(found).toEqual(expected);
        }
      }
    }),
  );
});
