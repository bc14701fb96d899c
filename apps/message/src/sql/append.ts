import type { FencedWork } from '@huizhi/runtime';
import type pg from 'pg';

/** A row of the lane log, on its way in. */
export interface EventRow {
  lane: number;
  position: number;
  conversation: string;
  seq: number;
  serverTime: number;
  user: string;
  device: string;
  clientID: string;
  hash: string;
  peer: string | null;
  makesGroup: boolean;
  body: string;
}

/**
 * All events in one statement. A client id that is stored already refuses the whole: look the duplicates up, decide again. Duplicates
 * are rare, a look-up each time is not free.
 */
export const appendEvents = (rows: readonly EventRow[]): FencedWork => ({
  name: 'append-events',
  ctes: `stored as (
           insert into message.event
             (lane, position, conversation_id, seq, server_time, user_id, device_id, client_id, hash, peer, makes_group, body)
           select * from unnest($6::smallint[], $7::bigint[], $8::text[], $9::bigint[], $10::bigint[], $11::text[],
                                $12::text[], $13::text[], $14::text[], $15::text[], $16::boolean[], $17::text[])
            where (select held from fence)
           on conflict (conversation_id, user_id, client_id) do nothing returning 1)`,
  refuseIf: '(select count(*) from stored) < cardinality($6::smallint[])',
  values: [
    rows.map((row) => row.lane),
    rows.map((row) => row.position),
    rows.map((row) => row.conversation),
    rows.map((row) => row.seq),
    rows.map((row) => row.serverTime),
    rows.map((row) => row.user),
    rows.map((row) => row.device),
    rows.map((row) => row.clientID),
    rows.map((row) => row.hash),
    rows.map((row) => row.peer),
    rows.map((row) => row.makesGroup),
    rows.map((row) => row.body),
  ],
});

/** A new group and its first members. */
export async function insertGroup(
  client: pg.ClientBase,
  group: { conversation: string; groupID: string; creator: string; position: number; members: readonly string[] },
): Promise<void> {
  await client.query({
    name: 'insert-group',
    text: `insert into message.conversation (conversation_id, group_id, created_by, created_position) values ($1, $2, $3, $4)`,
    values: [group.conversation, group.groupID, group.creator, group.position],
  });
  await client.query({
    name: 'insert-members',
    text: `insert into message.member (conversation_id, user_id, from_position)
           select $1, user_id, $2 from unnest($3::text[]) as user_id`,
    values: [group.conversation, group.position, group.members],
  });
}
