import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { MAX_BUS_BYTES, subjects, type GroupAt, type MembersReply, type MembersRequest } from '@huizhi/protocol';
import { silentLogger } from '@huizhi/runtime';
import { DedicatedConnection } from '@huizhi/database';
import { SCHEMA } from '../database.js';
import { MessageFixture } from '../testing/message-fixture.js';
import { MembersQueryHandler } from './members-queries.js';

let fixture: MessageFixture;
beforeEach(async () => {
  fixture = await MessageFixture.start();
});
afterEach(() => fixture.stop());

/** Adds members from position `from` up to, but not including, `to`. */
async function join(conversation: string, users: readonly string[], from: number, to?: number): Promise<void> {
  await fixture.admin.query(
    `insert into message.member (conversation_id, user_id, from_position, to_position)
     select $1, user_id, $3, $4 from unnest($2::text[]) as user_id`,
    [conversation, users, from, to ?? null],
  );
}

async function ask(groups: readonly GroupAt[]): Promise<{ head: MembersReply; members: string[][] }> {
  const request: MembersRequest = { groups: [...groups] };
  const { head, bodies } = await fixture.request<MembersReply>(subjects.members, request);
  return { head, members: bodies.map((users) => (JSON.parse(users) as string[]).sort()) };
}

it('the members query answers for several groups, each at its position, in the order of the request', async () => {
  await fixture.instance('m1');
  await join('g_a', ['alice', 'bob'], 3);
  await join('g_a', ['carol'], 3, 7);
  await join('g_a', ['carol'], 9);
  await join('g_b', ['dave'], 5);
  const groups: GroupAt[] = [['g_b', 5], ...[2, 3, 6, 7, 8, 9].map((at): GroupAt => ['g_a', at]), ['g_none', 1]];
  const all = ['alice', 'bob', 'carol'];
  expect(await ask(groups)).toEqual({
    head: {},
    members: [['dave'], [], all, all, ['alice', 'bob'], ['alice', 'bob'], all, []],
  });
});

it('the members query answers as many of the first groups as fit in one bus message', async () => {
  await fixture.instance('m1');
  const users = Array.from({ length: 500 }, (_, n) => `user-${n}-`.padEnd(64, 'x'));
  const groups = Array.from({ length: 40 }, (_, n): GroupAt => [`g_${n}`, 1]);
  for (const [conversation] of groups) await join(conversation, users, 1);
  const answers: number[] = [];
  for (let left = groups; left.length > 0; left = left.slice(answers.at(-1))) {
    const request: MembersRequest = { groups: left };
    const payload = await fixture.bus.request(subjects.members, JSON.stringify(request), { timeoutMs: 20_000 });
    expect(payload.length).toBeLessThanOrEqual(MAX_BUS_BYTES + '{}\n'.length);
    const lines = new TextDecoder().decode(payload).split('\n').slice(1);
    for (const line of lines) expect(new Set(JSON.parse(line) as string[])).toEqual(new Set(users));
    answers.push(lines.length);
  }
  expect(answers).toEqual([15, 15, 10]);
});

it('the members query answers `unavailable` while the database is away', async () => {
  const connection = new DedicatedConnection({ url: fixture.url, schema: SCHEMA, applicationName: 'away' });
  await connection.close();
  new MembersQueryHandler(fixture.bus, connection, silentLogger).listen();
  expect(await ask([['g_a', 1]])).toEqual({ head: { error: 'unavailable' }, members: [] });
});
