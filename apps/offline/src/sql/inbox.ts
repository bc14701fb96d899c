import type pg from 'pg';

/** A row of a user's inbox to insert. */
export interface InboxRow {
  user: string;
  seq: number;
  lane: number;
  position: number;
  skipDevice: string | null;
}

/** A part of one user's inbox: at most `limit` rows from `from` to `to`. */
export interface InboxPart {
  user: string;
  from: number;
  to: number;
  limit: number;
}

/**
 * The rows of each part, ascending. One statement for all parts: when many devices log in, there are hundreds at once.
 */
export async function readParts(client: pg.ClientBase, parts: readonly InboxPart[]): Promise<InboxRow[][]> {
  const { rows } = await client.query<InboxRow & { part: number }>({
    name: 'read-inbox-parts',
    text: `select p.part::int as part, i.user_id as "user", i.inbox_seq as seq, i.lane, i.position, i.skip_device as "skipDevice"
             from unnest($1::text[], $2::bigint[], $3::bigint[], $4::int[]) with ordinality
               as p (user_id, from_seq, to_seq, max_rows, part)
            cross join lateral (
              select * from offline.inbox
               where user_id = p.user_id and inbox_seq between p.from_seq and p.to_seq
               order by inbox_seq limit p.max_rows) i
            order by p.part, i.inbox_seq`,
    values: [
      parts.map((part) => part.user),
      parts.map((part) => part.from),
      parts.map((part) => part.to),
      parts.map((part) => part.limit),
    ],
  });
  const found: InboxRow[][] = parts.map(() => []);
  for (const row of rows) found[row.part - 1]?.push(row);
  return found;
}
