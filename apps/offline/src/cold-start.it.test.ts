import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { laneOf } from '@huizhi/protocol';
import { HZ_MESSAGE_LANES, OfflineFixture, until } from './testing/offline-fixture.js';

let fixture: OfflineFixture;
beforeEach(async () => {
  fixture = await OfflineFixture.start();
}, 30_000);
afterEach(() => fixture.stop(), 30_000);

const names = (count: number): string[] => Array.from({ length: count }, (_, n) => `g_cold${n}`);

/** Stores one text in each of these groups, which were created before any instance ran. */
function writeTo(conversations: readonly string[], members: string[]): void {
  for (const conversation of conversations) {
    fixture.message.groups.set(conversation, members);
    fixture.message.storeInGroup(conversation, 'alice', 'while nobody listened');
  }
}

const inboxOfBob = async (count: number): Promise<void> =>
  until(async () => (await fixture.inboxOf('bob')).length >= count, `${count} entries`, 25_000);

test('members of thousands of unknown groups are requested in few bounded requests, and all entries come in order', async () => {
  const conversations = names(4_000);
  writeTo(conversations, ['alice', 'bob', 'carol']);
  await fixture.instance('offline-1');
  await inboxOfBob(conversations.length);

  const asked = fixture.message.membersAsked.map(({ groups }) => groups.length);
  expect(Math.max(...asked)).toBeLessThanOrEqual(250);
  expect(asked.length).toBeLessThan(conversations.length / 50);
  const inbox = await fixture.inboxOf('bob');
  expect(inbox).toHaveLength(conversations.length);
  for (const lane of new Set(inbox.map((entry) => entry.lane))) {
    const positions = inbox.filter((entry) => entry.lane === lane).map((entry) => entry.position);
    expect(positions).toEqual(positions.map((_, n) => n + 1));
  }
});

test('a failed and a lost members reply are requested again', async () => {
  fixture.message.membersFates.push('failed', 'lost');
  writeTo(['g_cold'], ['alice', 'bob']);
  await fixture.instance('offline-1');
  await inboxOfBob(1);
  expect(fixture.message.membersAsked).toEqual(Array(3).fill({ groups: [['g_cold', 1]] }));
});

test('groups that a members reply has no room for are requested again, and all entries come', async () => {
  const conversations = names(1_000)
    .filter((name) => laneOf(name, HZ_MESSAGE_LANES) === 0)
    .slice(0, 40);
  writeTo(conversations, ['alice', 'bob', ...Array.from({ length: 500 }, (_, n) => `${n}-`.padEnd(64, 'x'))]);
  await fixture.instance('offline-1');
  await inboxOfBob(conversations.length);
  expect(fixture.message.membersAsked.map(({ groups }) => groups.length)).toEqual([40, 25, 10]);
});
