import { type DevEnv, eventually } from '@huizhi/dev-env';
import pg from 'pg';

/**
 * Resolves when the user's inbox has this many entries. A receipt may precede the inbox entry, and a login counts
 * entries only.
 */
export async function inboxHolds(system: DevEnv, user: string, count: number, withinMs?: number): Promise<void> {
  const client = new pg.Client({ connectionString: system.databaseUrl('offline') });
  await client.connect();
  try {
    await eventually(
      `${count} entries in the inbox of ${user}`,
      async () => {
        const { rows } = await client.query<{ head: number }>(
          'select coalesce(max(inbox_seq), 0)::int as head from offline.inbox where user_id = $1',
          [user],
        );
        return rows[0]!.head >= count;
      },
      withinMs,
    );
  } finally {
    await client.end();
  }
}
