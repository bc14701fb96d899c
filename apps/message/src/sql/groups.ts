import type { MembershipChange } from '@huizhi/protocol';
import type pg from 'pg';

export async function insertGroup(
  client: pg.ClientBase,
  group: { conversation: string; groupID: string; creator: string; position: number },
): Promise<void> {
  await client.query({
    name: 'insert-group',
    text: `insert into message.conversation (conversation_id, group_id, created_by, created_position) values ($1, $2, $3, $4)`,
    values: [group.conversation, group.groupID, group.creator, group.position],
  });
}

/** `joined` become members from this position on; `left` are members up to the position before it. */
export async function changeMembers(
  client: pg.ClientBase,
  { conversation, position }: { conversation: string; position: number },
  { joined = [], left = [] }: MembershipChange,
): Promise<void> {
  if (left.length > 0) {
    await client.query({
      name: 'members-left',
      text: `update message.member set to_position = $2
              where conversation_id = $1 and user_id = any($3::text[]) and to_position is null`,
      values: [conversation, position, left],
    });
  }
  if (joined.length > 0) {
    await client.query({
      name: 'members-joined',
      text: `insert into message.member (conversation_id, user_id, from_position)
             select $1, user_id, $2 from unnest($3::text[]) as user_id`,
      values: [conversation, position, joined],
    });
  }
}
