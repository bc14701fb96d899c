import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type pg from 'pg';
import { eventually } from '@huizhi/dev-env';
import { deferred } from '@huizhi/runtime';
import { PostgresProxy } from './testing/postgres-proxy.js';
import { TestSchema } from './testing/test-schema.js';
import { DedicatedConnection, type DedicatedConnectionOptions } from './dedicated-connection.js';
import { CommitUnknownError, ConnectionLostError, RolledBackError, UnsafeIntegerError } from './errors.js';

let schema: TestSchema;
const open: DedicatedConnection[] = [];
let names = 0;

beforeAll(async () => {
  schema = await TestSchema.create();
  await schema.client.query(
    'create table note (id bigint primary key, unless int unique deferrable initially deferred)',
  );
});
afterEach(async () => {
  jest.restoreAllMocks();
  await Promise.all(open.splice(0).map((connection) => connection.close()));
  await schema.client.query('truncate note');
});
afterAll(() => schema.drop());

function connection(options: Partial<DedicatedConnectionOptions> = {}): DedicatedConnection & { app: string } {
  names += 1;
  const app = `${schema.name}-${names}`;
  const made = new DedicatedConnection({ url: schema.url, schema: schema.name, applicationName: app, ...options });
  open.push(made);
  return Object.assign(made, { app });
}

async function ids(): Promise<string[]> {
  const { rows } = await schema.client.query<{ id: string }>('select id from note order by id');
  return rows.map((row) => row.id);
}

const insert = (id: number) => (client: pg.Client) => client.query('insert into note (id) values ($1)', [id]);

describe('exclusive', () => {
  test('runs one work at a time, in the order of the calls', async () => {
    const db = connection();
    const order: string[] = [];
    await Promise.all(
      [1, 2, 3].map((n) =>
        db.exclusive(async (client) => {
          order.push(`begin ${n}`);
          await client.query('select pg_sleep(0.01)');
          order.push(`end ${n}`);
        }),
      ),
    );
    expect(order).toEqual(['begin 1', 'end 1', 'begin 2', 'end 2', 'begin 3', 'end 3']);
  });

  test('has only its schema on the search path, sets its name and limits statements', async () => {
    const db = connection({ statementTimeoutMs: 50 });
    const { rows } = await db.exclusive((client) =>
      client.query(`select current_setting('search_path') as path, current_setting('application_name') as app`),
    );
    expect(rows).toEqual([{ path: schema.name, app: db.app }]);
    await expect(db.exclusive((client) => client.query('select pg_sleep(5)'))).rejects.toMatchObject({ code: '57014' });
    expect(db.connected).toBe(true);
  });

  test('reads bigint as number and refuses to round', async () => {
    const db = connection();
    const read = (sql: string): Promise<unknown> =>
      db.exclusive(async (client) => (await client.query<pg.QueryResultRow>(sql)).rows[0]);
    expect(
      await read(`select 9007199254740991::bigint as a, '{1,null,-3}'::bigint[] as b, '{}'::bigint[] as c`),
    ).toEqual({
      a: Number.MAX_SAFE_INTEGER,
      b: [1, null, -3],
      c: [],
    });
    await expect(read('select 9007199254740993::bigint as a')).rejects.toThrow(UnsafeIntegerError);
    expect(await read('select 1::bigint as a')).toEqual({ a: 1 });
  });

  test('keeps the connection usable after a work has failed', async () => {
    const db = connection();
    await expect(db.exclusive((client) => client.query('select nonsense'))).rejects.toMatchObject({ code: '42703' });
    const pid = (client: pg.Client) => client.query('select pg_backend_pid() as pid');
    const [one, two] = [await db.exclusive(pid), await db.exclusive(pid)];
    expect(one.rows).toEqual(two.rows);
  });

  test('closes the connection when a work leaves its transaction open, before the next work', async () => {
    const db = connection();
    await db.exclusive(async (client) => {
      await client.query('begin');
      await insert(1)(client);
    });
    await db.exclusive(insert(2));
    await eventually('the open transaction is gone', async () => (await ids()).join() === '2');
  });
});

describe('when the connection breaks', () => {
  test('the running work rejects, and the next one gets a new connection', async () => {
    const statuses: boolean[] = [];
    const db = connection({ onStatus: (up) => statuses.push(up) });
    await db.exclusive((client) => client.query('select 1'));
    const sleeping = db.exclusive((client) => client.query('select pg_sleep(3)'));
    const outcome = expect(sleeping).rejects.toThrow(ConnectionLostError);
    await eventually('killed', async () => (await schema.terminate(db.app)) === 1);
    await outcome;
    await db.exclusive(insert(1));
    expect(await ids()).toEqual(['1']);
    expect(statuses).toEqual([true, false, true]);
  });

  test('a named statement is prepared again on the new connection', async () => {
    const db = connection();
    const named = (client: pg.Client) => client.query({ name: 'one', text: 'select $1::int as n', values: [1] });
    await db.exclusive(named);
    await schema.terminate(db.app);
    await eventually('noticed', () => !db.connected);
    expect((await db.exclusive(named)).rows).toEqual([{ n: 1 }]);
  });

  test('an idle connection is replaced without an error', async () => {
    const db = connection();
    await db.exclusive((client) => client.query('select 1'));
    await schema.terminate(db.app);
    await eventually('noticed', () => !db.connected);
    await db.whenConnected();
    expect(db.connected).toBe(true);
  });

  test('a transaction in progress is certainly rolled back', async () => {
    const db = connection();
    const inserted = deferred();
    const killed = deferred();
    const outcome = db.transaction(async (client) => {
      await insert(1)(client);
      inserted.resolve();
      await killed.promise;
      await insert(2)(client);
    });
    const expected = expect(outcome).rejects.toThrow(ConnectionLostError);
    await inserted.promise;
    await schema.terminate(db.app);
    await eventually('noticed', () => !db.connected);
    killed.resolve();
    await expected;
    expect(await ids()).toEqual([]);
  });

  test('a transaction that did not notice the loss before COMMIT rejects as lost, not as unknown', async () => {
    const db = connection();
    const outcome = db.transaction(async (client) => {
      await insert(1)(client);
      await schema.terminate(db.app);
      await eventually('noticed', () => !db.connected);
    });
    await expect(outcome).rejects.toThrow(ConnectionLostError);
    expect(await ids()).toEqual([]);
  });

  test('an unreachable database is refused at once during back-off and connected later', async () => {
    const proxy = await PostgresProxy.before(schema.url);
    await proxy.close();
    const db = connection({ url: proxy.url });
    await expect(db.exclusive(insert(1))).rejects.toThrow(ConnectionLostError);
    const controller = new AbortController();
    const waiting = db.whenConnected(controller.signal);
    await proxy.listen();
    await waiting;
    await db.exclusive(insert(1));
    expect(await ids()).toEqual(['1']);
    await db.close();
    await proxy.close();
  });

  test('setting the clock back by hours during back-off does not delay the reconnect', async () => {
    const proxy = await PostgresProxy.before(schema.url);
    await proxy.close();
    const db = connection({ url: proxy.url });
    await expect(db.exclusive(insert(1))).rejects.toThrow(ConnectionLostError);
    const { now } = Date;
    jest.spyOn(Date, 'now').mockImplementation(() => now() - 3 * 3_600_000);
    await proxy.listen();
    const works = (): Promise<boolean> => db.exclusive(insert(1)).then(Boolean, () => false);
    await eventually('the database is found again', works);
    await db.close();
    await proxy.close();
  });

  test('a connection without answers is closed after the query timeout', async () => {
    const proxy = await PostgresProxy.before(schema.url);
    const db = connection({ url: proxy.url, queryTimeoutMs: 200 });
    await db.exclusive((client) => client.query('select 1'));
    proxy.swallow = true;
    const msOf = async (work: Promise<unknown>): Promise<number> => {
      const begun = performance.now();
      await expect(work).rejects.toThrow(ConnectionLostError);
      return performance.now() - begun;
    };
    // Well below the defaults of 5 s and 3 s, and well above 200 ms for a busy machine.
    expect(await msOf(db.exclusive(insert(1)))).toBeLessThan(4_000);
    const unconnected = connection({ url: proxy.url, connectTimeoutMs: 200 });
    expect(await msOf(unconnected.exclusive(insert(1)))).toBeLessThan(2_500);
    proxy.swallow = false;
    await db.whenConnected();
    await db.close();
    await proxy.close();
  });
});

describe('transaction', () => {
  test('commits and returns the result', async () => {
    const result = await connection().transaction(async (client) => (await insert(7)(client)).rowCount);
    expect(result).toBe(1);
    expect(await ids()).toEqual(['7']);
  });

  test('rolls back when the work throws, and rejects with its error', async () => {
    const db = connection();
    const failing = db.transaction(async (client) => {
      await insert(1)(client);
      throw new RangeError('mine');
    });
    await expect(failing).rejects.toThrow(RangeError);
    await db.transaction(insert(2));
    expect(await ids()).toEqual(['2']);
  });

  test('rejects as rolled back when the work hid the failure of a statement', async () => {
    const hiding = connection().transaction(async (client) => {
      await insert(1)(client);
      await client.query('select nonsense').catch(() => undefined);
    });
    await expect(hiding).rejects.toThrow(RolledBackError);
    expect(await ids()).toEqual([]);
  });

  test("rejects with the server's error when COMMIT is refused, and is rolled back", async () => {
    const db = connection();
    const refused = db.transaction((client) => client.query('insert into note values (1, 1), (2, 1)'));
    await expect(refused).rejects.toMatchObject({ code: '23505' });
    await db.transaction(insert(3));
    expect(await ids()).toEqual(['3']);
  });

  test('is unknown when COMMIT was carried out but its answer was lost', async () => {
    const proxy = await PostgresProxy.before(schema.url);
    const db = connection({ url: proxy.url });
    const outcome = db.transaction(async (client) => {
      await insert(1)(client);
      proxy.cutAnswers = true;
    });
    await expect(outcome).rejects.toThrow(CommitUnknownError);
    proxy.cutAnswers = false;
    await eventually('it was durable after all', async () => (await ids()).join() === '1');
    await db.whenConnected();
    await db.transaction(insert(2));
    expect(await ids()).toEqual(['1', '2']);
    await db.close();
    await proxy.close();
  });

  test('is unknown when COMMIT never arrived', async () => {
    const proxy = await PostgresProxy.before(schema.url);
    const db = connection({ url: proxy.url, queryTimeoutMs: 200 });
    const outcome = db.transaction(async (client) => {
      await insert(1)(client);
      proxy.swallow = true;
    });
    await expect(outcome).rejects.toThrow(CommitUnknownError);
    await proxy.close();
    expect(await ids()).toEqual([]);
  });
});

describe('a single statement', () => {
  test("rejects with the server's error when it is refused, and keeps the connection", async () => {
    const db = connection();
    const refused = db.single((client) => client.query('insert into note values (1, 1), (2, 1)'));
    await expect(refused).rejects.toMatchObject({ code: '23505' });
    expect(db.connected).toBe(true);
    await db.single(insert(3));
    expect(await ids()).toEqual(['3']);
  });

  test("rejects with the server's error also when that is not in English", async () => {
    const proxy = await PostgresProxy.before(schema.url);
    const losses: unknown[] = [];
    const db = connection({ url: proxy.url, onStatus: (_, error) => error && losses.push(error) });
    proxy.speaksVietnamese = true;
    const twice = 'insert into note values (1, 1), (2, 1)';
    await expect(db.single((client) => client.query(twice))).rejects.toMatchObject({
      code: '23505',
      severity: expect.not.stringContaining('ERROR'),
    });
    await expect(db.transaction((client) => client.query(twice))).rejects.toMatchObject({ code: '23505' });
    expect(losses).toEqual([]);
    expect(db.connected).toBe(true);
    await db.close();
    await proxy.close();
  });

  test('with an error code that a PANIC can have rejects with it only if the session continues', async () => {
    const proxy = await PostgresProxy.before(schema.url);
    const db = connection({ url: proxy.url });
    const full = (client: pg.Client) => client.query(`do $$ begin raise exception using errcode = 'disk_full'; end $$`);
    await expect(db.single(full)).rejects.toMatchObject({ code: '53100' });
    expect(db.connected).toBe(true);
    proxy.cutAfterAnswer = true;
    await expect(db.single(full)).rejects.toThrow(CommitUnknownError);
    await db.close();
    await proxy.close();
  });

  test('is unknown when it was carried out but its answer was lost', async () => {
    const proxy = await PostgresProxy.before(schema.url);
    const db = connection({ url: proxy.url });
    await db.whenConnected();
    proxy.cutAnswers = true;
    await expect(db.single(insert(1))).rejects.toThrow(CommitUnknownError);
    proxy.cutAnswers = false;
    await eventually('it was durable after all', async () => (await ids()).join() === '1');
    await db.close();
    await proxy.close();
  });

  test('is unknown when it was cancelled or the server closed the connection', async () => {
    const db = connection();
    await db.whenConnected();
    const outcome = db.single((client) =>
      // Run both together: the session may end before the answer to terminate arrives.
      Promise.all([client.query('select pg_sleep(60)'), schema.terminate(db.app)]),
    );
    await expect(outcome).rejects.toThrow(CommitUnknownError);
    await db.close();
  });
});

test('closing finishes the waiting works and refuses later ones', async () => {
  const db = connection();
  const works = [db.exclusive(insert(1)), db.exclusive(insert(2))];
  await db.close();
  await Promise.all(works);
  await expect(db.exclusive(insert(3))).rejects.toThrow(ConnectionLostError);
  expect(await ids()).toEqual(['1', '2']);
});
