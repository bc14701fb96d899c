import type { GroupAt } from '@huizhi/protocol';
import type pg from 'pg';

/**
 * The members that an event at this position of the group's lane concerns. One text per group, in the given order: a
 * JSON array of user ids. One index probe per group.
 */
export async function membersAsOf(client: pg.ClientBase, groups: readonly GroupAt[]): Promise<string[]> {
  const { rows } = await client.query<{ users: string }>({
    name: 'members-as-of',
    text: `select array_to_json(array(
                    select m.user_id from message.member m
                     where m.conversation_id = asked.conversation_id and m.from_position <= asked.position
                       and (m.to_position is null or m.to_position > asked.position)))::text as users
             from unnest($1::text[], $2::bigint[]) with ordinality as asked (conversation_id, position, ordinality)
            order by asked.ordinality`,
    values: [groups.map(([conversation]) => conversation), groups.map(([, position]) => position)],
  });
  return rows.map((row) => row.users);
}
