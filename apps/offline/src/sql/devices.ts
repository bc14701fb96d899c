import type pg from 'pg';

export interface DeviceOpening {
  user: string;
  device: string;
  epoch: number;
  cursor: number;
  deviceType: string;
  version: number;
  /** When its token was issued, seconds since 1970; 0: it does not say, or there is none. */
  issuedAt: number;
}

/**
 * Devices that log in: created, or given their next epoch. No device twice: one statement cannot touch a row twice.
 * @returns those for which entries beyond their cursor were dropped with their day
 */
export async function openDevices(
  client: pg.ClientBase,
  openings: readonly DeviceOpening[],
): Promise<{ user: string; device: string }[]> {
  const { rows } = await client.query<{ user: string; device: string; lacks: boolean }>({
    name: 'open-devices',
    text: `insert into offline.device as d (user_id, device_id, epoch, cursor, device_type, version, issued_at)
           select * from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::int[], $7::bigint[])
           on conflict (user_id, device_id) do update
              set epoch = excluded.epoch, device_type = excluded.device_type, version = excluded.version, last_seen = now(),
                  issued_at = greatest(d.issued_at, excluded.issued_at)
           returning user_id as "user", device_id as device,
                     exists (select from offline.inbox_head h where h.user_id = d.user_id and h.head > d.cursor) as lacks`,
    values: [
      openings.map((one) => one.user),
      openings.map((one) => one.device),
      openings.map((one) => one.epoch),
      openings.map((one) => one.cursor),
      openings.map((one) => one.deviceType),
      openings.map((one) => one.version),
      openings.map((one) => one.issuedAt),
    ],
  });
  return rows.filter((row) => row.lacks);
}

export async function removeDevices(
  client: pg.ClientBase,
  devices: readonly { user: string; device: string }[],
): Promise<void> {
  await client.query({
    name: 'remove-devices',
    text: `delete from offline.device d using unnest($1::text[], $2::text[]) as gone (user_id, device_id)
            where d.user_id = gone.user_id and d.device_id = gone.device_id`,
    values: [devices.map((one) => one.user), devices.map((one) => one.device)],
  });
}
