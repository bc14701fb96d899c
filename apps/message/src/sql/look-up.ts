import type pg from 'pg';

/** Identity of a message: a resend has the same key. */
export interface SendKey {
  conversation: string;
  user: string;
  clientID: string;
}

/** A stored message; it never changes. */
export interface Stored {
  position: number;
  seq: number;
  serverTime: number;
  hash: string;
}

export async function findStored(client: pg.ClientBase, keys: readonly SendKey[]): Promise<(SendKey & Stored)[]> {
  const { rows } = await client.query<SendKey & Stored>({
    name: 'find-stored',
    text: `select e.conversation_id as conversation, e.user_id as "user", e.client_id as "clientID",
                  e.position, e.seq, e.server_time as "serverTime", e.hash
             from unnest($1::text[], $2::text[], $3::text[]) as key (conversation_id, user_id, client_id)
             join message.event e using (conversation_id, user_id, client_id)`,
    values: [keys.map((key) => key.conversation), keys.map((key) => key.user), keys.map((key) => key.clientID)],
  });
  return rows;
}

/** Last `seq` and server time of a conversation. */
export interface ConversationHead {
  conversation: string;
  seq: number;
  serverTime: number;
}

/** The last event of each conversation that has one; one index probe each. */
export async function findHeads(client: pg.ClientBase, conversations: readonly string[]): Promise<ConversationHead[]> {
  const { rows } = await client.query<ConversationHead>({
    name: 'find-heads',
    text: `select asked.conversation_id as conversation, last.seq, last.server_time as "serverTime"
             from unnest($1::text[]) as asked (conversation_id)
            cross join lateral (select seq, server_time from message.event e
                                 where e.conversation_id = asked.conversation_id
                                 order by seq desc limit 1) as last`,
    values: [conversations],
  });
  return rows;
}

/** Current members of groups. */
export async function findMembers(
  client: pg.ClientBase,
  conversations: readonly string[],
): Promise<{ conversation: string; user: string }[]> {
  const { rows } = await client.query<{ conversation: string; user: string }>({
    name: 'find-members',
    text: `select conversation_id as conversation, user_id as "user" from message.member
            where conversation_id = any($1::text[]) and to_position is null`,
    values: [conversations],
  });
  return rows;
}

/** Which of these users exist. */
export async function findUsers(client: pg.ClientBase, users: readonly string[]): Promise<string[]> {
  const { rows } = await client.query<{ user: string }>({
    name: 'find-users',
    text: `select user_id as "user" from message.users where user_id = any($1::text[])`,
    values: [users],
  });
  return rows.map((row) => row.user);
}
