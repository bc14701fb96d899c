import { LaneCountError } from '@huizhi/database';
import type pg from 'pg';

/**
 * Creates the vectors of applied positions unless they exist; safe when several processes run it.
 * @throws LaneCountError when they have another length
 */
export async function ensureVectors(client: pg.ClientBase, lanes: number, messageLanes: number): Promise<void> {
  await client.query(
    `insert into offline.inbox_lane (lane, applied)
     select lane, array_fill(0::bigint, array[$2::int]) from generate_series(0, $1::int - 1) as lane
      where not exists (select from offline.inbox_lane)
         on conflict do nothing`,
    [lanes, messageLanes],
  );
  await assertVectors(client, messageLanes);
}

/** @throws LaneCountError when the data was created for another number of message lanes */
export async function assertVectors(client: pg.ClientBase, messageLanes: number): Promise<void> {
  const { rows } = await client.query<{ length: number }>(
    `select array_length(applied, 1) as length from offline.inbox_lane where array_length(applied, 1) <> $1 limit 1`,
    [messageLanes],
  );
  if (rows[0]) throw new LaneCountError('message', rows[0].length, messageLanes);
}

/** The applied position per message lane, by inbox lane. */
export async function readVectors(client: pg.ClientBase, lanes: readonly number[]): Promise<Map<number, number[]>> {
  const { rows } = await client.query<{ lane: number; applied: number[] }>({
    name: 'read-vectors',
    text: `select lane, applied from offline.inbox_lane where lane = any($1::int[])`,
    values: [lanes],
  });
  return new Map(rows.map((row) => [row.lane, row.applied]));
}
