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
/** Each conversation has a message lane of its own here: no position is skipped between two of its events. */
const laneOf = (conversation: string): number => Number(conversation.slice(2)) || 0;
const of = (recipients: Recipients, one: LaneEvent): readonly { user: string }[] | undefined =>
  recipients.of(laneOf(one.conversation), one);
const names = (found: readonly { user: string }[] | undefined): string[] | undefined => found?.map((one) => one.user);
const groups = (from: number, to: number): LaneEvent[] =>
  Array.from({ length: to - from }, (_, n) => event({ conversation: `g_${from + n}`, position: 1 + from + n }));

/** What waits in the queues, and a message service that answers when it is told to. */
class Scene {
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

  /** The writer comes to the first of these events; all of them wait. */
  reach(...events: LaneEvent[]): readonly { user: string }[] | undefined {
    this.queued = events;
    return of(this.recipients, events[0]!);
  }

  /** All requests, when there are so many and a few turns of the event loop have brought no more. */
  async requests(count: number): Promise<(readonly GroupAt[])[]> {
    const heard = deferred();
    this.listeners.push({ count, heard });
    if (this.asked.length >= count) heard.resolve();
    await heard.promise;
    // An answer is looked at in one turn, what follows from it in the next.
    for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
    return this.asked.map((request) => request.groups);
  }
}

test('a pair and a new group say who they are; the group is remembered, and nobody is asked', async () => {
  const scene = new Scene();
  expect(names(scene.reach(event({ pair: ['alice', 'bob'] })))).toEqual(['alice', 'bob']);
  const made = event({ seq: 1, change: { joined: ['alice', 'bob', 'carol'] } });
  const { recipients } = scene;
  // Also when what was written to it is seen before its first event had its turn.
  expect(
    names(
      scene.reach(event({ conversation: 'g_0', seq: 1, change: { joined: ['alice'] } }), made, event({ position: 6 })),
    ),
  ).toEqual(['alice']);
  await scene.requests(0);
  expect(names(of(recipients, made))).toEqual(['alice', 'bob', 'carol']);
  expect(names(of(recipients, event({ position: 6 })))).toEqual(['alice', 'bob', 'carol']);
  expect(await scene.requests(0)).toEqual([]);
});

test('what waits is asked for together, each group once, as of its next event, in the order of their turns', async () => {
  const scene = new Scene();
  const [one, two] = [event({ position: 5 }), event({ conversation: 'g_2', position: 9 })];
  expect(scene.reach(one, two, event({ position: 6 }), event({ pair: ['alice', 'bob'] }))).toBeUndefined();
  expect(of(scene.recipients, two)).toBeUndefined();
  expect(await scene.requests(1)).toEqual([
    [
      ['g_1', 5],
      ['g_2', 9],
    ],
  ]);
  scene.asked[0]!.resolve([['bob'], ['carol', 'dave']]);
  await scene.requests(1);
  expect(names(of(scene.recipients, one))).toEqual(['bob']);
  expect(names(of(scene.recipients, two))).toEqual(['carol', 'dave']);
  expect(await scene.requests(1)).toHaveLength(1);
});

test('however many groups are unknown, two requests are on their way, of 250 groups each', async () => {
  const scene = new Scene();
  scene.reach(...groups(0, 1_000));
  const sizes = (await scene.requests(2)).map((asked) => asked.length);
  expect(sizes).toEqual([250, 250]);
  scene.asked[1]!.resolve(scene.asked[1]!.groups.map(() => ['bob']));
  const third = (await scene.requests(3))[2]!;
  expect(third).toHaveLength(250);
  expect(third[0]).toEqual(['g_500', 501]);
});

test('what an answer left out, and what failed, is asked for again, and first', async () => {
  const scene = new Scene();
  scene.reach(...groups(0, 300));
  await scene.requests(2);
  scene.asked[0]!.resolve([['bob']]);
  expect((await scene.requests(3))[2]).toEqual(scene.asked[0]!.groups.slice(1));
  scene.asked[2]!.reject(new Error('nobody there'));
  expect((await scene.requests(4))[3]).toEqual(scene.asked[0]!.groups.slice(1));
});

test('remembers a bounded number of members, the longest unused group goes first', () => {
  const { recipients } = new Scene(4);
  of(recipients, event({ conversation: 'g_1', seq: 1, change: { joined: ['a', 'b'] } }));
  of(recipients, event({ conversation: 'g_2', seq: 1, change: { joined: ['c', 'd'] } }));
  of(recipients, event({ conversation: 'g_1' }));
  of(recipients, event({ conversation: 'g_3', seq: 1, change: { joined: ['e'] } }));
  expect(names(of(recipients, event({ conversation: 'g_1' })))).toEqual(['a', 'b']);
  expect(of(recipients, event({ conversation: 'g_2' }))).toBeUndefined();
});

test('asks no further ahead than the memory reaches, so that nothing is forgotten before its turn', async () => {
  const scene = new Scene(1_000);
  const events = groups(0, 1_000);
  scene.reach(...events);
  await scene.requests(2);
  for (const { groups: asked, resolve } of [...scene.asked]) resolve(asked.map(() => ['bob', 'carol']));
  expect(await scene.requests(2)).toHaveLength(2);
  for (const known of events.slice(0, 500)) expect(of(scene.recipients, known)).toHaveLength(2);
  scene.reach(...events.slice(500));
  expect((await scene.requests(3))[2]![0]).toEqual(['g_500', 501]);
});

test('asks for nothing after it was stopped', async () => {
  const scene = new Scene();
  scene.reach(...groups(0, 1));
  await scene.requests(1);
  scene.recipients.stop();
  scene.asked[0]!.reject(new Error('nobody there'));
  expect(await scene.requests(1)).toHaveLength(1);
});

const change = (position: number, by: { joined?: string[]; left?: string[] }): LaneEvent =>
  event({ position, seq: position, change: by });

test('a member who joins receives from that event on, and a member who leaves receives that event as the last one', () => {
  const { recipients } = new Scene();
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

test('an event that is replayed after a take-over finds the members of its time, and later events those of theirs', async () => {
  const scene = new Scene();
  const { recipients } = scene;
  // This instance begins at position 8, where it was told the members; another lane comes with events from 5 on.
  scene.reach(event({ position: 8 }));
  await scene.requests(1);
  scene.asked[0]!.resolve([['alice', 'dave']]);
  await scene.requests(1);
  expect(names(of(recipients, event({ position: 8 })))).toEqual(['alice', 'dave']);
  expect(scene.reach(event({ position: 5 }))).toBeUndefined();
  expect((await scene.requests(2))[1]).toEqual([['g_1', 5]]);
  scene.asked[1]!.resolve([['alice', 'bob']]);
  await scene.requests(2);
  expect(names(of(recipients, event({ position: 5 })))).toEqual(['alice', 'bob']);
  expect(names(of(recipients, change(6, { left: ['bob'] })))).toEqual(['alice', 'bob']);
  expect(names(of(recipients, change(7, { joined: ['dave'] })))).toEqual(['alice', 'dave']);
  expect(names(of(recipients, event({ position: 8 })))).toEqual(['alice', 'dave']);
  expect(names(of(recipients, event({ position: 9 })))).toEqual(['alice', 'dave']);
});

test('members are asked for anew when positions were skipped, and an answer from before is not believed', async () => {
  const scene = new Scene();
  of(scene.recipients, change(1, { joined: ['alice'] }));
  scene.reach(event({ conversation: 'g_2', position: 7 }));
  await scene.requests(1);
  // Both groups are in one lane here, and positions 2 … 19 were applied elsewhere.
  expect(scene.recipients.of(laneOf('g_1'), event({ position: 20 }))).toBeUndefined();
  scene.asked[0]!.resolve([['bob']]);
  await scene.requests(1);
  expect(of(scene.recipients, event({ conversation: 'g_2', position: 7 }))).toBeUndefined();
});

test('whatever joins and leaves, each event reaches the members of its position, also when lanes replay it', () => {
  const people = ['a', 'b', 'c', 'd'];
  const step = fc.record({
    joined: fc.subarray(people),
    left: fc.subarray(people),
    replayFrom: fc.option(fc.integer({ min: 1, max: 30 }), { nil: undefined }),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 30 }), (steps) => {
      const { recipients } = new Scene();
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
        // Older than the versions that are remembered it may have to be asked for; it is never wrong.
        for (const { one: replayed, expected } of log.slice(from - 1)) {
          const found = names(of(recipients, replayed))?.sort();
          if (found !== undefined || replayed.position === position) expect(found).toEqual(expected);
        }
      }
    }),
  );
});
