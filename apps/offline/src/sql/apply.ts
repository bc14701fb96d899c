import type { FencedWork } from '@huizhi/database';
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
 * Writes entries, applied positions and cursors.
 *
 * A vector is passed as text, because unnest flattens an array of arrays. A cursor is never lowered and never moved for
 * an older epoch. A missing day partition fails the statement and nothing is lost: the lanes are taken again, which
 * creates the partition.
 */
export const apply = (
  rows: readonly InboxRow[],
  vectors: readonly Vector[],
  cursors: readonly CursorMove[],
): FencedWork => ({
  name: 'apply',
  ctes: `entries as (
           insert into offline.inbox (user_id, inbox_seq, lane, position, skip_device, day)
           select user_id, inbox_seq, lane, position, skip_device, (now() at time zone 'utc')::date
             from unnest($6::text[], $7::bigint[], $8::smallint[], $9::bigint[], $10::text[])
               as r (user_id, inbox_seq, lane, position, skip_device)
            where (select held from fence)),
         vectors as (
           update offline.inbox_lane l set applied = v.applied::bigint[]
             from unnest($11::int[], $12::text[]) as v (lane, applied)
            where l.lane = v.lane and (select held from fence)),
         cursors as (
           update offline.device d set cursor = greatest(d.cursor, m.cursor), last_seen = now()
             from unnest($13::text[], $14::text[], $15::bigint[], $16::bigint[]) as m (user_id, device_id, epoch, cursor)
            where d.user_id = m.user_id and d.device_id = m.device_id and d.epoch = m.epoch and (select held from fence))`,
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
