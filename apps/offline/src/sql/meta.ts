import type pg from 'pg';

/** Changes after a restore; clients compare it. */
export async function readGeneration(client: pg.ClientBase): Promise<string> {
  const { rows } = await client.query<{ generation: string }>('select generation from offline.meta');
  if (!rows[0]) throw new Error('offline.meta is empty: the database was not created by the migrations');
  return rows[0].generation;
}
