import type pg from 'pg';

/** The number of lanes is part of the data: every messageID and every cursor depends on it. */
export class LaneCountError extends Error {
  override readonly name = 'LaneCountError';

  constructor(schema: string, stored: number, configured: number) {
    super(
      `The database was created with ${stored} lanes in schema "${schema}", but ${configured} are configured. ` +
        `Set HZ_${schema.toUpperCase()}_LANES=${stored} for every service; the number cannot change once data exists.`,
    );
  }
}

async function countLanes(client: pg.ClientBase, schema: string): Promise<number> {
  const { rows } = await client.query<{ lanes: number }>(`select count(*)::int as lanes from ${schema}.lane`);
  return rows[0]?.lanes ?? 0;
}

/** Creates lanes 0 … lanes−1 unless they exist; part of the migration command. @throws LaneCountError */
export async function ensureLanes(client: pg.ClientBase, schema: string, lanes: number): Promise<void> {
  if ((await countLanes(client, schema)) === 0) {
    await client.query(`insert into ${schema}.lane (lane) select generate_series(0, $1 - 1) on conflict do nothing`, [
      lanes,
    ]);
  }
  await assertLanes(client, schema, lanes);
}

/** @throws LaneCountError when a service is configured for another number of lanes than the data has */
export async function assertLanes(client: pg.ClientBase, schema: string, lanes: number): Promise<void> {
  const stored = await countLanes(client, schema);
  if (stored !== lanes) throw new LaneCountError(schema, stored, lanes);
}
