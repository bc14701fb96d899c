import type pg from 'pg';
import type { Owed } from '../commit/user.js';

export interface DeviceOpening {
  user: string;
  device: string;
  epoch: number;
  cursor: number;
  deviceType: string;
  version: number;
  /** Issue time of its token in seconds since 1970; 0: unknown, or no token. */
  issuedAt: number;
}

/**
 * Creates devices that log in, or gives them their next epoch. Each device once: one statement cannot change a row
 * twice.
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

/** Limit of entries beyond a cursor that are examined to count what the device has to get: the size of a batch. */
const LOOK = 200;

export interface OwedRow {
  user: string;
  device: string;
  /** The newest entry beyond its cursor that the device did not send itself; the cursor when there is none. */
  last: number;
  /**
   * Of the first LOOK entries beyond the cursor: their number, the last `inboxSeq`, and the number the device did not
   * send.
   */
  seen: number;
  upTo: number;
  waiting: number;
}

/**
 * What devices have to get beyond their cursors. Reads a bounded part of each inbox, because many devices log in at
 * once.
 */
export async function readOwed(
  client: pg.ClientBase,
  devices: readonly { user: string; device: string }[],
): Promise<OwedRow[]> {
  const { rows } = await client.query<OwedRow>({
    name: 'read-owed',
    text: `select d.user_id as "user", d.device_id as device, coalesce(l.last, d.cursor) as last,
                  o.seen::int as seen, coalesce(o.up_to, d.cursor) as "upTo", o.waiting::int as waiting
             from unnest($1::text[], $2::text[]) as p (user_id, device_id)
             join offline.device d on d.user_id = p.user_id and d.device_id = p.device_id
             left join lateral (
               select i.inbox_seq as last from offline.inbox i
                where i.user_id = d.user_id and i.inbox_seq > d.cursor and i.skip_device is distinct from d.device_id
                order by i.inbox_seq desc limit 1) l on true
            cross join lateral (
               select count(*) as seen, max(inbox_seq) as up_to,
                      count(*) filter (where skip_device is distinct from d.device_id) as waiting
                 from (select i.inbox_seq, i.skip_device from offline.inbox i
                        where i.user_id = d.user_id and i.inbox_seq > d.cursor
                        order by i.inbox_seq limit $3) f) o`,
    values: [devices.map((one) => one.user), devices.map((one) => one.device), LOOK],
  });
  return rows;
}

/** @param head the newest entry of the user's inbox */
export const owedOf = ({ last, seen, upTo, waiting }: OwedRow, head: number): Owed => ({
  head,
  last,
  waiting: seen < LOOK ? waiting : waiting + Math.max(0, last - upTo),
});

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
