import { expect, test } from '@jest/globals';
import type { GroupAt, LaneEvent } from '@huizhi/protocol';
import { deferred, type Deferred } from '@huizhi/runtime';
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
    return this.recipients.of(events[0]!);
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
  const made = event({ members: ['alice', 'bob', 'carol'] });
  const { recipients } = scene;
  // Also when what was written to it is seen before its first event had its turn.
  expect(names(scene.reach(event({ conversation: 'g_0', members: ['alice'] }), made, event({ position: 6 })))).toEqual([
    'alice',
  ]);
  await scene.requests(0);
  expect(names(recipients.of(made))).toEqual(['alice', 'bob', 'carol']);
  expect(names(recipients.of(event({ position: 6 })))).toEqual(['alice', 'bob', 'carol']);
  expect(await scene.requests(0)).toEqual([]);
});

test('what waits is asked for together, each group once, as of its next event, in the order of their turns', async () => {
  const scene = new Scene();
  const [one, two] = [event({ position: 5 }), event({ conversation: 'g_2', position: 9 })];
  expect(scene.reach(one, two, event({ position: 6 }), event({ pair: ['alice', 'bob'] }))).toBeUndefined();
  expect(scene.recipients.of(two)).toBeUndefined();
  expect(await scene.requests(1)).toEqual([
    [
      ['g_1', 5],
      ['g_2', 9],
    ],
  ]);
  scene.asked[0]!.resolve([['bob'], ['carol', 'dave']]);
  await scene.requests(1);
  expect(names(scene.recipients.of(one))).toEqual(['bob']);
  expect(names(scene.recipients.of(two))).toEqual(['carol', 'dave']);
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
  recipients.of(event({ conversation: 'g_1', members: ['a', 'b'] }));
  recipients.of(event({ conversation: 'g_2', members: ['c', 'd'] }));
  recipients.of(event({ conversation: 'g_1' }));
  recipients.of(event({ conversation: 'g_3', members: ['e'] }));
  expect(names(recipients.of(event({ conversation: 'g_1' })))).toEqual(['a', 'b']);
  expect(recipients.of(event({ conversation: 'g_2' }))).toBeUndefined();
});

test('asks no further ahead than the memory reaches, so that nothing is forgotten before its turn', async () => {
  const scene = new Scene(1_000);
  const events = groups(0, 1_000);
  scene.reach(...events);
  await scene.requests(2);
  for (const { groups: asked, resolve } of [...scene.asked]) resolve(asked.map(() => ['bob', 'carol']));
  expect(await scene.requests(2)).toHaveLength(2);
  for (const known of events.slice(0, 500)) expect(scene.recipients.of(known)).toHaveLength(2);
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
