import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { makeTestDatabase, Nats, TcpProxy } from '@huizhi/constellation';
import pg from 'pg';
import { Bus } from '../bus/bus.js';
import { DedicatedConnection } from '../database/dedicated-connection.js';
import { deferred } from '../deferred.js';
import { silentLogger } from '../log/logger.js';
import { eventually } from '../testing/eventually.js';
import { ensureLanes, LaneCountError } from './lane-count.js';
import { LaneKeeper, LaneLostError, type LossReason } from './lane-keeper.js';
import { createLaneTables, createRefuse, type FencedWork } from './lane-sql.js';

const LANES = 6;
const LEASE_MS = 600;

interface Owner {
  keeper: LaneKeeper;
  connection: DedicatedConnection;
  lost: [number[], LossReason][];
  /** Appends one row at the next position of a lane; false when it is not the owner (any more). */
  append(lane: number): Promise<boolean>;
  end(): Promise<void>;
}

let url: string;
let admin: pg.Client;
let nats: Nats;
let owners: Owner[];
let cleanUp: () => Promise<void>;

beforeEach(async () => {
  const database = await makeTestDatabase('message');
  url = database.url;
  admin = new pg.Client({ connectionString: url });
  admin.on('error', () => undefined);
  await admin.connect();
  for (const statement of [...createLaneTables('message'), createRefuse('message')]) await admin.query(statement);
  await admin.query('create table message.row (lane int, position bigint, owner text, primary key (lane, position))');
  await ensureLanes(admin, 'message', LANES);
  const folder = mkdtempSync(join(tmpdir(), 'hz-lanes-'));
  nats = await Nats.start({ dataDir: folder });
  owners = [];
  cleanUp = async () => {
    await Promise.all(owners.map((owner) => owner.end()));
    await nats.stop();
    await admin.end();
    await database.drop();
    rmSync(folder, { recursive: true, force: true });
  };
});
afterEach(() => cleanUp());

async function owner(
  instance: string,
  onReleasing = (): Promise<void> => Promise.resolve(),
  tickMs?: number,
  natsUrl = nats.url(),
): Promise<Owner> {
  const bus = Bus.connect({ url: natsUrl, name: instance, log: silentLogger });
  await bus.ready();
  const connection = new DedicatedConnection({ url, schema: 'message', applicationName: instance });
  const lost: Owner['lost'] = [];
  const keeper = new LaneKeeper({
    service: 'message',
    schema: 'message',
    lanes: LANES,
    instance,
    connection,
    bus,
    log: silentLogger,
    leaseMs: LEASE_MS,
    ...(tickMs === undefined ? {} : { tickMs }),
    onTaken: () => Promise.resolve(),
    onLost: (lanes, reason) => lost.push([lanes, reason]),
    onReleasing,
  });
  const append = async (lane: number): Promise<boolean> => {
    const held = keeper.held(lane);
    if (!held) return false;
    const moves = [{ lane, epoch: held.epoch, from: held.head, to: held.head + 1 }];
    try {
      await keeper.write(moves, appendRow(lane, held.head + 1, instance));
    } catch (error) {
      keeper.forget([lane], error instanceof LaneLostError ? 'taken' : 'database');
      return false;
    }
    keeper.committed(moves);
    return true;
  };
  const one: Owner = {
    keeper,
    connection,
    lost,
    append,
    end: async () => {
      await keeper.stop();
      await connection.close();
      await bus.drain();
    },
  };
  owners.push(one);
  await keeper.start();
  return one;
}

const appendRow = (...values: [lane: number, position: number, owner: string]): FencedWork => ({
  name: 'append-row',
  ctes: 'stored as (insert into message.row select $6, $7, $8 where (select held from fence))',
  values,
});

const count = (one: Owner): number => [...one.keeper.heldLanes()].length;

const until = (what: string, condition: () => boolean): Promise<void> => eventually(condition, what);

/** Its ticks and transactions wait meanwhile, as if its process had been stopped. */
async function whileFrozen({ connection }: Owner, scene: () => Promise<void>): Promise<void> {
  const thawed = deferred();
  const held = connection.exclusive(() => thawed.promise);
  // Whatever becomes of the scene: frozen it could not be ended either.
  await scene().finally(() => thawed.resolve());
  await held;
}

const terminate = (instance: string): Promise<unknown> =>
  admin.query(
    'select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1 and datname = current_database()',
    [instance],
  );

async function expectNoHoles(): Promise<void> {
  const { rows } = await admin.query<{ lane: number; rows: number; last: number; head: number }>(
    `select l.lane, count(r.*)::int as rows, coalesce(max(r.position), 0)::int as last, l.head::int as head
       from message.lane l left join message.row r using (lane) group by l.lane, l.head order by l.lane`,
  );
  expect(rows).toHaveLength(LANES);
  for (const { rows: n, last, head } of rows) expect([n, last]).toEqual([head, head]);
}

describe('lanes', () => {
  it('are shared fairly, and handed over at once by who stops', async () => {
    const [one, two] = [await owner('one'), await owner('two')];
    await until('a fair share', () => count(one) === LANES / 2 && count(two) === LANES / 2);
    const three = await owner('three');
    await until('three shares', () => [one, two, three].every((each) => count(each) === LANES / 3));
    const four = await owner('four');
    await until('four shares', () => [one, two, three, four].every((each) => count(each) > 0));
    await four.keeper.stop();
    await one.keeper.stop();
    await until('the rest to take over', () => count(two) + count(three) === LANES);
  });

  it('of a silent owner are taken after the lease, and what it still writes is refused', async () => {
    const frozen = await owner('frozen');
    expect(await frozen.append(0)).toBe(true);
    let stale: Promise<boolean> | undefined;
    await whileFrozen(frozen, async () => {
      stale = frozen.append(0);
      const other = await owner('other');
      await until('the other to take all', () => count(other) === LANES);
      expect(await other.append(0)).toBe(true);
    });
    expect(await stale).toBe(false);
    await expectNoHoles();
  });

  it('of who is gone are taken when its lease ends, however far the next tick is', async () => {
    const gone = await owner('gone');
    const other = await owner('other', undefined, 3_600_000);
    await until('a fair share', () => count(gone) === LANES / 2 && count(other) === LANES / 2);
    await whileFrozen(gone, () => until('the other to take all', () => count(other) === LANES));
  });

  it('of who is cut off from the bus, and from nothing else, are taken by who can be asked for them', async () => {
    const proxy = await TcpProxy.start({ target: { host: nats.host, port: nats.port } });
    try {
      const cut = await owner('cut', undefined, undefined, nats.url(proxy));
      const other = await owner('other');
      await until('a fair share', () => count(cut) === LANES / 2 && count(other) === LANES / 2);
      await proxy.cut();
      await until('the other to take all', () => count(other) === LANES);
      expect(await other.append(0)).toBe(true);
      await proxy.heal();
      await until('a fair share again', () => count(cut) === LANES / 2 && count(other) === LANES / 2);
      await nats.kill9();
      await nats.restart();
      await until('both to go on', () => count(cut) + count(other) === LANES);
      await expectNoHoles();
    } finally {
      await proxy.stop();
    }
  });

  it('are taken again, with a higher epoch, after the database went away', async () => {
    const one = await owner('one');
    const before = one.keeper.held(2)!.epoch;
    one.keeper.forget([2], 'database');
    expect(one.lost).toEqual([[[2], 'database']]);
    await until('the lane to come back', () => (one.keeper.held(2)?.epoch ?? 0) > before);
  });

  it('of an owner that could not finish giving them up are not kept half way: they are lost and can be taken anew', async () => {
    let failed = false;
    const one = await owner('one', async () => {
      const first = !failed;
      failed = true;
      if (first) throw new Error('cut');
    });
    await until('all lanes', () => count(one) === LANES);
    const two = await owner('two');
    await until('a failed release', () => failed && count(two) === LANES / 2);
    // After a pause it may have been overtaken, too.
    expect(one.lost.map(([, reason]) => reason)).toContain('database');
    await until('a fair share', () => count(one) === LANES / 2);
  });

  it('have no holes and no second writer while owners come, go, freeze and lose their connections', async () => {
    const stop = { now: false };
    let appended = 0;
    const work = async (one: Owner): Promise<void> => {
      while (!stop.now) {
        for (let lane = 0; lane < LANES; lane++) if (await one.append(lane)) appended++;
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const first = await owner('a');
    const works = [work(first)];
    try {
      for (const name of ['b', 'c', 'd']) {
        const next = await owner(name);
        works.push(work(next));
        await terminate('a');
        await until(`${name} to hold lanes`, () => count(next) > 0);
        const target = appended + 50;
        await until('more rows', () => appended > target);
      }
      await first.keeper.stop();
      const target = appended + 50;
      await until('more rows', () => appended > target);
    } finally {
      stop.now = true;
    }
    await Promise.all(works);
    await expectNoHoles();
  });
});

it('another number of lanes than the data has is refused, with what to set', async () => {
  await expect(ensureLanes(admin, 'message', LANES + 1)).rejects.toThrow(LaneCountError);
  await expect(ensureLanes(admin, 'message', LANES + 1)).rejects.toThrow('MESSAGE_LANES=6');
});
