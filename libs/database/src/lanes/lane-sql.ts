import type pg from 'pg';
import { MAX_LEASE_MS } from './lane-config.js';

/** A lane that this instance owns: its fencing epoch and the number of its last committed position. */
export interface HeldLane {
  readonly lane: number;
  readonly epoch: number;
  head: number;
}

/**
 * The step of one lane in a transaction of its owner: from the head that the owner knows to the head that it writes.
 */
export interface LaneMove {
  lane: number;
  epoch: number;
  from: number;
  to: number;
}

/** The time of the database, and `performance.now()` before the query. Both in milliseconds. */
export interface DatabaseTime {
  readonly at: number;
  readonly sentAt: number;
}

/** What an owner writes in the same statement that moves the heads of its lanes. */
export interface FencedWork {
  /** Name of the prepared statement; another text needs another name. */
  readonly name: string;
  /**
   * Data-modifying CTEs, separated by commas. Each must take effect only `where (select held from fence)`: an instance
   * that lost its lanes may collide with rows of the new owner. Parameters start at `$6`.
   */
  readonly ctes: string;
  /** An SQL condition that rolls everything back, with {@link WorkRefusedError}. */
  readonly refuseIf?: string;
  readonly values: readonly unknown[];
}

/** The SQLSTATEs of `refuse`, in a class that no server uses. */
const LANE_LOST = 'HZ001';
const WORK_REFUSED = 'HZ002';

/**
 * A single statement can only roll back by failing; the function `refuse` raises that error. Part of a service's
 * migrations.
 */
export const createRefuse = (schema: string): string =>
  `create function ${schema}.refuse(code text, what text) returns void language plpgsql as $$
   begin raise exception using errcode = code, message = what; end $$`;

/** The lanes that a refused statement names; undefined for any other error. */
export function lostLanes(error: unknown): number[] | undefined {
  if (!isPgError(error) || error.code !== LANE_LOST) return undefined;
  return error.message.split(',').map(Number);
}

export const isWorkRefused = (error: unknown): boolean => isPgError(error) && error.code === WORK_REFUSED;

function isPgError(error: unknown): error is Error & { code: string } {
  return error instanceof Error && typeof (error as { code?: unknown }).code === 'string';
}

/** The tables of lane ownership; part of a service's first migration. */
export const createLaneTables = (schema: string): string[] => [
  // fillfactor: each commit updates the rows of its lanes. With free space in the page the updates are HOT and need no
  // vacuum.
  `create table ${schema}.lane (
     lane int primary key,
     owner text,
     epoch bigint not null default 0,
     lease_until timestamptz not null default '-infinity',
     head bigint not null default 0
   ) with (fillfactor = 10)`,
  `create table ${schema}.instance (instance text primary key, seen_until timestamptz not null)`,
];

/**
 * No lease and no heartbeat ends later than this. A later end was written before the database's clock was set back. A
 * live instance renews it within a tick; a dead one would keep its lanes until the clock reaches it. Twice the longest
 * lease, because concurrent transactions have different start times.
 */
const LATEST = `now() + interval '${2 * MAX_LEASE_MS} ms'`;

const runs = (until: string): string => `${until} between now() and ${LATEST}`;

/** The statements of lane ownership. All times are the database's; no instance's clock matters. */
export class LaneSql {
  constructor(
    private readonly schema: string,
    private readonly instance: string,
    private readonly leaseMs: number,
  ) {}

  /**
   * Writes the heartbeat of this instance and computes its share: the lanes divided among live instances, the remainder
   * to the first by name, so that the shares add up to all lanes.
   * @returns also the milliseconds until a lease or heartbeat of another instance may expire, and the time of the
   * database
   */
  async share(
    client: pg.ClientBase,
    lanes: number,
  ): Promise<{ share: number; expiresIn: number; clock: DatabaseTime }> {
    await client.query({
      name: 'lane-instance-seen',
      text: `insert into ${this.schema}.instance (instance, seen_until) values ($1, now() + $2 * interval '1 ms')
             on conflict (instance) do update set seen_until = excluded.seen_until`,
      values: [this.instance, this.leaseMs],
    });
    const sentAt = performance.now();
    const { rows } = await client.query<{ live: number; before: number; expires: number | null; clock: number }>({
      name: 'lane-instances-live',
      text: `select count(*)::int as live, count(*) filter (where instance < $1)::int as before,
                    extract(epoch from least(
                      min(seen_until) filter (where instance <> $1),
                      (select min(lease_until) from ${this.schema}.lane where ${runs('lease_until')} and owner <> $1)
                    ) - now())::float8 * 1000 as expires,
                    extract(epoch from clock_timestamp())::float8 * 1000 as clock
               from ${this.schema}.instance where ${runs('seen_until')}`,
      values: [this.instance],
    });
    const { live, before, expires, clock } = rows[0] ?? { live: 1, before: 0, expires: null, clock: Date.now() };
    return {
      share: Math.floor(lanes / live) + (before < lanes % live ? 1 : 0),
      expiresIn: expires ?? Infinity,
      clock: { at: clock, sentAt },
    };
  }

  /** Extends the leases of these lanes. @returns the renewed lanes; the others have another owner */
  async renew(client: pg.ClientBase, lanes: Iterable<HeldLane>): Promise<Set<number>> {
    const { lane, epoch } = columns(lanes);
    const { rows } = await client.query<{ lane: number }>({
      name: 'lane-renew',
      text: `update ${this.schema}.lane l set lease_until = now() + $3 * interval '1 ms'
               from unnest($1::int[], $2::bigint[]) as mine (lane, epoch)
              where l.lane = mine.lane and l.epoch = mine.epoch
          returning l.lane`,
      values: [lane, epoch, this.leaseMs],
    });
    return new Set(rows.map((row) => row.lane));
  }

  /**
   * Takes up to `want` lanes whose lease has expired, or that this instance owned and has forgotten. The higher epoch
   * fences off the previous owner. With `skip locked`, two instances never wait for each other.
   */
  async take(client: pg.ClientBase, want: number, except: number[]): Promise<HeldLane[]> {
    const { rows } = await client.query<HeldLane>({
      name: 'lane-take',
      text: `update ${this.schema}.lane set owner = $1, epoch = epoch + 1, lease_until = now() + $2 * interval '1 ms'
              where lane in (select lane from ${this.schema}.lane
                              where (not ${runs('lease_until')} or owner = $1) and lane <> all($4::int[])
                              order by lane limit $3 for update skip locked)
          returning lane, epoch::float8 as epoch, head::float8 as head`,
      values: [this.instance, this.leaseMs, want, except],
    });
    return rows;
  }

  async release(client: pg.ClientBase, lanes: Iterable<HeldLane>): Promise<void> {
    const { lane, epoch } = columns(lanes);
    await client.query({
      name: 'lane-release',
      text: `update ${this.schema}.lane l set owner = null, lease_until = '-infinity'
               from unnest($1::int[], $2::bigint[]) as mine (lane, epoch)
              where l.lane = mine.lane and l.epoch = mine.epoch`,
      values: [lane, epoch],
    });
  }

  async leave(client: pg.ClientBase): Promise<void> {
    await client.query(
      `delete from ${this.schema}.instance
        where instance = $1 or seen_until not between now() - interval '1 hour' and ${LATEST}`,
      [this.instance],
    );
  }

  /**
   * The fencing compare-and-set with the work that it guards. Moves heads only where epoch and head are those that the
   * owner knows, and does the work only when all of them moved. One statement, because each further one costs a round
   * trip.
   */
  async advance(client: pg.ClientBase, moves: readonly LaneMove[], work: FencedWork): Promise<void> {
    const { schema } = this;
    await client.query({
      name: work.name,
      text: `with moved as (
               update ${schema}.lane l set head = move.new_head, lease_until = now() + $5 * interval '1 ms'
                 from unnest($1::int[], $2::bigint[], $3::bigint[], $4::bigint[]) as move (lane, epoch, old_head, new_head)
                where l.lane = move.lane and l.epoch = move.epoch and l.head = move.old_head
            returning l.lane),
             fence as materialized (select (select count(*) from moved) = cardinality($1::int[]) as held),
             ${work.ctes}
             select case
               when not held then ${schema}.refuse('${LANE_LOST}', (
                 select string_agg(asked.lane::text, ',') from unnest($1::int[]) as asked (lane)
                  where asked.lane not in (select lane from moved)))
               when ${work.refuseIf ?? 'false'} then ${schema}.refuse('${WORK_REFUSED}', '${work.name}')
             end as fenced from fence`,
      values: [
        moves.map((move) => move.lane),
        moves.map((move) => move.epoch),
        moves.map((move) => move.from),
        moves.map((move) => move.to),
        this.leaseMs,
        ...work.values,
      ],
    });
  }
}

function columns(lanes: Iterable<HeldLane>): { lane: number[]; epoch: number[] } {
  const held = [...lanes];
  return { lane: held.map((one) => one.lane), epoch: held.map((one) => one.epoch) };
}
