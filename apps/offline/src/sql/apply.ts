import type pg from 'pg';
import type { InboxRow } from './inbox.js';

/** The applied positions of an inbox lane, per message lane. */
export interface Vector {
  lane: number;
  applied: readonly number[];
}

export interface CursorMove {
  user: string;
  device: string;
  epoch: number;
  cursor: number;
}

/**
 * Entries, the positions they vouch for, and cursors, in one statement: each statement more is a wake-up on both sides.
 *
 * A vector travels as text, since an array of arrays is a matrix to PostgreSQL and unnest would flatten it. A cursor is never
 * lowered and never moved for an older epoch. A missing day partition fails the statement and nothing is lost: the lanes
 * are taken anew, and that creates it.
 */
export async function apply(
  client: pg.ClientBase,
  rows: readonly InboxRow[],
  vectors: readonly Vector[],
  cursors: readonly CursorMove[],
): Promise<void> {
  await client.query({
    name: 'apply',
    text: `with entries as (
             insert into offline.inbox (user_id, inbox_seq, lane, position, skip_device, day)
             select user_id, inbox_seq, lane, position, skip_device, (now() at time zone 'utc')::date
               from unnest($1::text[], $2::bigint[], $3::smallint[], $4::bigint[], $5::text[])
                 as r (user_id, inbox_seq, lane, position, skip_device)),
           vectors as (
             update offline.inbox_lane l set applied = v.applied::bigint[]
               from unnest($6::int[], $7::text[]) as v (lane, applied) where l.lane = v.lane)
           update offline.device d set cursor = greatest(d.cursor, m.cursor), last_seen = now()
             from unnest($8::text[], $9::text[], $10::bigint[], $11::bigint[]) as m (user_id, device_id, epoch, cursor)
            where d.user_id = m.user_id and d.device_id = m.device_id and d.epoch = m.epoch`,
    values: [
      rows.map((row) => row.user),
      rows.map((row) => row.seq),
      rows.map((row) => row.lane),
      rows.map((row) => row.position),
      rows.map((row) => row.skipDevice),
      vectors.map((vector) => vector.lane),
      vectors.map((vector) => `{${vector.applied.join(',')}}`),
      cursors.map((move) => move.user),
      cursors.map((move) => move.device),
      cursors.map((move) => move.epoch),
      cursors.map((move) => move.cursor),
    ],
  });
}
