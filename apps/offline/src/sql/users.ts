import type pg from 'pg';

export interface UserRow {
  user: string;
  head: number;
  tokensValidFrom: number;
}
export interface DeviceRow {
  user: string;
  device: string;
  epoch: number;
  cursor: number;
  revokedEpoch: number;
}

/** Heads of users, 0 when there is none. Probes the index of each day partition per user. */
export async function readHeads(client: pg.ClientBase, users: readonly string[]): Promise<UserRow[]> {
  const { rows } = await client.query<UserRow>({
    name: 'read-heads',
    text: `select u.user_id as "user",
                  greatest(coalesce(h.head, 0), coalesce((
                    select i.inbox_seq from offline.inbox i
                     where i.user_id = u.user_id order by i.inbox_seq desc limit 1), 0)) as head,
                  coalesce(r.tokens_valid_from, 0) as "tokensValidFrom"
             from unnest($1::text[]) as u (user_id)
             left join offline.inbox_head h on h.user_id = u.user_id
             left join offline.revocation r on r.user_id = u.user_id`,
    values: [users],
  });
  return rows;
}

/** Ordered from the longest unseen device. */
export async function readDevices(client: pg.ClientBase, users: readonly string[]): Promise<DeviceRow[]> {
  const { rows } = await client.query<DeviceRow>({
    name: 'read-devices',
    text: `select user_id as "user", device_id as device, epoch, cursor, revoked_epoch as "revokedEpoch"
             from offline.device where user_id = any($1::text[]) order by last_seen`,
    values: [users],
  });
  return rows;
}
