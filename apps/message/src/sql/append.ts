import type { FencedWork } from '@huizhi/database';

/** A row of the lane log to insert. */
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
  /** See `EventKind.code`. */
  kind: number;
  body: string;
}

/**
 * Inserts all events in one statement. A client id that is stored already refuses the whole transaction: the caller
 * looks up the duplicates and plans again. Duplicates are rare, so there is no look-up before each insert.
 */
export const appendEvents = (rows: readonly EventRow[]): FencedWork => ({
  name: 'append-events',
  ctes: `stored as (
           insert into message.event
             (lane, position, conversation_id, seq, server_time, user_id, device_id, client_id, hash, peer, kind, body)
           select * from unnest($6::smallint[], $7::bigint[], $8::text[], $9::bigint[], $10::bigint[], $11::text[],
                                $12::text[], $13::text[], $14::text[], $15::text[], $16::smallint[], $17::text[])
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
    rows.map((row) => row.kind),
    rows.map((row) => row.body),
  ],
});
