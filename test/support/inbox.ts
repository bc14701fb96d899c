import { type DevEnv, eventually } from '@huizhi/dev-env';
import pg from 'pg';

/** Until so many entries are in a user's inbox: a message is receipted before it is there, and a login counts what is there. */
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
