import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { TcpProxy, eventually } from '@huizhi/dev-env';
import { deferred } from '@huizhi/runtime';
import { LANES, LaneFixture, LEASE_MS, type Owner } from '../testing/lane-fixture.js';
import { ensureLanes, LaneCountError } from './lane-count.js';

let fixture: LaneFixture;
beforeEach(async () => {
  fixture = await LaneFixture.start();
});
afterEach(() => fixture.stop());

/** Blocks the ticks and transactions of an owner during `work`, as if its process had been stopped. */
async function whileFrozen({ connection }: Owner, work: () => Promise<unknown>): Promise<void> {
  const thawed = deferred();
  const held = connection.exclusive(() => thawed.promise);
  // Also after an error: a frozen owner could not be stopped.
  await work().finally(() => thawed.resolve());
  await held;
}

async function expectNoHoles(): Promise<void> {
  const { rows } = await fixture.admin.query<{ lane: number; rows: number; last: number; head: number }>(
    `select l.lane, count(r.*)::int as rows, coalesce(max(r.position), 0)::int as last, l.head::int as head
       from message.lane l left join message.row r using (lane) group by l.lane, l.head order by l.lane`,
  );
  expect(rows).toHaveLength(LANES);
  for (const { rows: n, last, head } of rows) expect([n, last]).toEqual([head, head]);
}

/** Number of lanes with an owner according to the database. */
async function owned(): Promise<number> {
  return (await fixture.admin.query('select from message.lane where owner is not null')).rowCount ?? 0;
}

describe('lanes', () => {
  it('are shared evenly, and handed over at once by an owner that stops', async () => {
    const [one, two] = [await fixture.owner('one'), await fixture.owner('two')];
    await eventually('a fair share', () => one.count() === LANES / 2 && two.count() === LANES / 2);
    const three = await fixture.owner('three');
    await eventually('three shares', () => [one, two, three].every((each) => each.count() === LANES / 3));
    const four = await fixture.owner('four');
    await eventually('four shares', () => [one, two, three, four].every((each) => each.count() > 0));
    await four.keeper.stop();
    await one.keeper.stop();
    await eventually('the rest to take over', () => two.count() + three.count() === LANES);
  });

  it('of a silent owner are taken after the lease, and its later writes are refused', async () => {
    const frozen = await fixture.owner('frozen');
    expect(await frozen.append(0)).toBe(true);
    let stale: Promise<boolean> | undefined;
    await whileFrozen(frozen, async () => {
      stale = frozen.append(0);
      const other = await fixture.owner('other');
      await eventually('the other to take all', () => other.count() === LANES);
      expect(await other.append(0)).toBe(true);
    });
    expect(await stale).toBe(false);
    await expectNoHoles();
  });

  it('of a dead owner are taken when its lease ends, however far the next tick is', async () => {
    const gone = await fixture.owner('gone');
    const other = await fixture.owner('other', { tickMs: 3_600_000 });
    await eventually('a fair share', () => gone.count() === LANES / 2 && other.count() === LANES / 2);
    await whileFrozen(gone, () => eventually('the other to take all', () => other.count() === LANES));
  });

  it("whose leases are too far ahead, because the database's clock was set back, are free", async () => {
    const { admin } = fixture;
    await admin.query(`update message.lane set owner = 'ghost', epoch = 7, lease_until = now() + interval '3 hours'`);
    await admin.query(`insert into message.instance values ('ghost', now() + interval '3 hours')`);
    const one = await fixture.owner('one');
    expect(one.count()).toBe(LANES);
    expect(await one.append(0)).toBe(true);
    await one.keeper.stop();
    expect((await admin.query('select from message.instance')).rowCount).toBe(0);
  });

  it('of an owner that only lost the bus are taken by an owner that is connected', async () => {
    const proxy = await TcpProxy.start({ target: { host: fixture.nats.host, port: fixture.nats.port } });
    try {
      const cut = await fixture.owner('cut', { natsUrl: fixture.nats.url(proxy) });
      const other = await fixture.owner('other');
      await eventually('a fair share', () => cut.count() === LANES / 2 && other.count() === LANES / 2);
      await proxy.cut();
      await eventually('the other to take all', () => other.count() === LANES);
      expect(await other.append(0)).toBe(true);
      await proxy.heal();
      await eventually('a fair share again', () => cut.count() === LANES / 2 && other.count() === LANES / 2);
      await fixture.nats.kill9();
      await fixture.nats.restart();
      await eventually('both to go on', () => cut.count() + other.count() === LANES);
      await expectNoHoles();
    } finally {
      await proxy.stop();
    }
  });

  it('of an owner with a stuck writer are taken by another; when it continues, it gets its share back', async () => {
    const stuck = await fixture.owner('stuck', { turnLimitMs: LEASE_MS / 3 });
    const other = await fixture.owner('other');
    await eventually('a fair share', () => stuck.count() === LANES / 2 && other.count() === LANES / 2);
    expect(stuck.keeper.stallStatus()).toBe('ok');
    const writing = deferred();
    const turn = stuck.keeper.turn(() => writing.promise);
    await eventually('the other to take all', () => other.count() === LANES);
    expect(stuck.keeper.stallStatus()).not.toBe('ok');
    writing.resolve();
    await turn;
    expect(stuck.keeper.stallStatus()).toBe('ok');
    await eventually('a fair share again', () => stuck.count() === LANES / 2 && other.count() === LANES / 2);
  });

  it('are taken again with a higher epoch after the database was away', async () => {
    const one = await fixture.owner('one');
    const before = one.keeper.held(2)!.epoch;
    one.keeper.forget([2], 'database');
    expect(one.lost).toEqual([[[2], 'database']]);
    await eventually('the lane to come back', () => (one.keeper.held(2)?.epoch ?? 0) > before);
  });

  it('are lost and can be taken again when their owner fails to release them', async () => {
    let failed = false;
    const onReleasing = async (): Promise<void> => {
      const first = !failed;
      failed = true;
      if (first) throw new Error('cut');
    };
    const one = await fixture.owner('one', { onReleasing });
    await eventually('all lanes', () => one.count() === LANES);
    const two = await fixture.owner('two');
    await eventually('a failed release', () => failed && two.count() === LANES / 2);
    // After the pause, another owner may have taken them, too.
    expect(one.lost.map(([, reason]) => reason)).toContain('database');
    await eventually('a fair share', () => one.count() === LANES / 2);
  });

  it('that are being taken for the first time when their owner stops are released', async () => {
    const [taken, loaded] = [deferred(), deferred()];
    const onTaken = (): Promise<void> => {
      taken.resolve();
      return loaded.promise;
    };
    const starting = fixture.owner('one', { onTaken });
    await taken.promise;
    const stopping = fixture.owners[0]!.keeper.stop();
    loaded.resolve();
    await Promise.all([starting, stopping]);
    expect(await owned()).toBe(0);
  });

  it('are not taken by an owner that is stopped before its first tick', async () => {
    await fixture.admin.query('begin; lock table message.lane in access exclusive mode');
    const starting = fixture.owner('one');
    await eventually('the start to have begun', () => fixture.owners.length === 1);
    const stopping = fixture.owners[0]!.keeper.stop();
    await fixture.admin.query('commit');
    await Promise.all([starting, stopping]);
    expect(await owned()).toBe(0);
  });

  it('have no holes and no second writer while owners start, stop, freeze and lose their connections', async () => {
    const stop = { now: false };
    let appended = 0;
    const work = async (one: Owner): Promise<void> => {
      while (!stop.now) {
        for (let lane = 0; lane < LANES; lane++) if (await one.append(lane)) appended++;
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const first = await fixture.owner('a');
    const works = [work(first)];
    try {
      for (const name of ['b', 'c', 'd']) {
        const next = await fixture.owner(name);
        works.push(work(next));
        await fixture.terminate('a');
        await eventually(`${name} to hold lanes`, () => next.count() > 0);
        const target = appended + 50;
        await eventually('more rows', () => appended > target);
      }
      await first.keeper.stop();
      const target = appended + 50;
      await eventually('more rows', () => appended > target);
    } finally {
      stop.now = true;
    }
    await Promise.all(works);
    await expectNoHoles();
  });
});

it('a lane count that differs from the data is refused, and the error names the variable to set', async () => {
  await expect(ensureLanes(fixture.admin, 'message', LANES + 1)).rejects.toThrow(LaneCountError);
  await expect(ensureLanes(fixture.admin, 'message', LANES + 1)).rejects.toThrow('HZ_MESSAGE_LANES=6');
});
