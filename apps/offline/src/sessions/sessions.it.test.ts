import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { OfflineFixture, until } from '../testing/offline-fixture.js';

describe('sessions and cursors', () => {
  let fixture: OfflineFixture;
  beforeAll(async () => {
    fixture = await OfflineFixture.start();
    await fixture.instance('offline-1');
  }, 30_000);
  afterAll(() => fixture.stop(), 30_000);

  test('a login of a device elsewhere gets a higher epoch; the older session is kicked and gets no more entries', async () => {
    const [first, second] = [fixture.gateway(), fixture.gateway()];
    const old = await first.open('ann');
    const now = await second.open('ann');
    expect([old.epoch, now.epoch]).toEqual([1, 2]);
    await until(() => first.kicked.includes(old.session));
    fixture.message.say('bob', 'ann', 'hello');
    await until(() => second.told.length === 1);
    expect(first.told).toEqual([]);
    first.cursor(old, 1);
    await until(() => first.kicked.length === 2);
    expect(await fixture.cursorOf('ann')).toBe(0);
    expect((await first.fetch(old)).head.error).toBe('notAllowed');
  });

  test('a login that began before the login of the open session is refused, however often it is repeated', async () => {
    const [wifi, mobile] = [fixture.gateway(), fixture.gateway()];
    const live = await mobile.open('abe');
    await expect(wifi.open('abe', 'phone', 501, { login: 5, age: 3_000 })).rejects.toThrow('overtaken');
    // At the same gateway, too.
    await expect(mobile.open('abe', 'phone', 502, { login: 5, age: 3_000 })).rejects.toThrow('overtaken');
    expect(mobile.kicked).toEqual([]);
    mobile.close(live);
    expect((await wifi.open('abe', 'phone', 503, { login: 5, age: 3_500 })).epoch).toBe(live.epoch + 1);
  });

  test('a repeated login replaces its earlier attempt whose answer was lost, regardless of their delays', async () => {
    const gateway = fixture.gateway();
    const unheard = await gateway.open('ada', 'phone', 601, { login: 6, age: 0 });
    expect((await gateway.open('ada', 'phone', 602, { login: 6, age: 1_200 })).epoch).toBe(unheard.epoch + 1);
    await until(() => gateway.kicked.includes(601));
  });

  test('a login together with the last cursor of the previous session returns the stored cursor', async () => {
    const gateway = fixture.gateway();
    // Both arrive together, and so in one transaction.
    for (const user of Array.from({ length: 10 }, (_, n) => `ast${n}`)) {
      const before = await gateway.open(user);
      fixture.message.say('bob', user, 'hello');
      await until(() => gateway.seqsOf(before.session).length === 1);
      gateway.cursor(before, 1);
      const after = await gateway.open(user);
      expect(await fixture.cursorOf(user)).toBe(after.cursor);
    }
  });

  test('a repeated login of one session returns the same session', async () => {
    const gateway = fixture.gateway();
    const one = await gateway.open('bea', 'phone', 77);
    const again = await gateway.open('bea', 'phone', 77);
    expect(again).toEqual(one);
    expect(gateway.kicked).toEqual([]);
  });

  test('concurrent logins of one device get each epoch once and leave one session', async () => {
    const gateway = fixture.gateway();
    const opened = await Promise.all(Array.from({ length: 40 }, () => gateway.open('cyd')));
    expect(opened.map((one) => one.epoch).sort((a, b) => a - b)).toEqual(opened.map((_, i) => i + 1));
    await until(() => gateway.kicked.length === 39);
    const live = opened.find((one) => one.epoch === 40);
    expect(gateway.kicked).not.toContain(live?.session);
  });

  test('a first device starts at 0, each further device at the highest cursor', async () => {
    const gateway = fixture.gateway();
    for (const text of ['1', '2', '3']) fixture.message.say('bob', 'dan', text);
    await until(async () => (await fixture.inboxOf('dan')).length === 3);
    const phone = await gateway.open('dan', 'phone');
    expect(phone).toMatchObject({ cursor: 0, head: 3 });
    gateway.cursor(phone, 2);
    await until(() => gateway.confirmed.get(phone.session) === 2);
    expect(await gateway.open('dan', 'tablet')).toMatchObject({ epoch: 1, cursor: 2 });
    expect(await gateway.open('dan', 'desk')).toMatchObject({ epoch: 1, cursor: 2 });
    expect(await gateway.open('dan', 'phone')).toMatchObject({ epoch: 2, cursor: 2 });
  });

  test('a login returns what the device has to get, without the messages that it sent itself', async () => {
    const gateway = fixture.gateway();
    const phone = await gateway.open('ivy', 'phone');
    await gateway.open('ivy', 'tablet');
    const say = async (from: string, count: number): Promise<void> => {
      fixture.message.say(from, from === 'ivy' ? 'bob' : 'ivy', 'text', 'phone');
      await until(async () => (await fixture.inboxOf('ivy')).length === count);
    };
    await say('ivy', 1);
    expect(await gateway.open('ivy', 'phone', 950)).toMatchObject({ cursor: 0, head: 1, last: 0, waiting: 0 });
    expect(await gateway.open('ivy', 'phone', 950)).toMatchObject({ cursor: 0, head: 1, last: 0, waiting: 0 });
    await say('bob', 2);
    for (let count = 3; count <= 4; count++) await say('ivy', count);
    const again = await gateway.open('ivy', 'phone');
    expect(again).toMatchObject({ cursor: 0, head: 4, last: 2, waiting: 1 });
    expect(await gateway.open('ivy', 'tablet')).toMatchObject({ cursor: 0, head: 4, last: 4, waiting: 4 });
    gateway.cursor(again, 2);
    await until(() => gateway.confirmed.get(again.session) === 2);
    expect(await gateway.open('ivy', 'phone')).toMatchObject({ cursor: 2, head: 4, last: 2, waiting: 0 });
    expect(phone).toMatchObject({ cursor: 0, head: 0, last: 0, waiting: 0 });
  });

  test('entries beyond those that a login examines count as waiting', async () => {
    const gateway = fixture.gateway();
    await gateway.open('jon', 'phone');
    await gateway.open('jon', 'tablet');
    for (let n = 0; n < 210; n++) fixture.message.say('jon', 'bob', 'text', 'phone');
    await until(async () => (await fixture.inboxOf('jon')).length === 210);
    expect(await gateway.open('jon', 'phone')).toMatchObject({ cursor: 0, head: 210, last: 0, waiting: 0 });
    fixture.message.say('bob', 'jon', 'text');
    await until(async () => (await fixture.inboxOf('jon')).length === 211);
    expect(await gateway.open('jon', 'phone')).toMatchObject({ cursor: 0, head: 211, last: 211, waiting: 11 });
  });

  test('a cursor never moves back or beyond the head, and a repeated cursor is confirmed again', async () => {
    const gateway = fixture.gateway();
    const eve = await gateway.open('eve');
    for (const text of ['1', '2', '3', '4']) fixture.message.say('bob', 'eve', text);
    await until(() => gateway.told.length === 4);
    gateway.cursor(eve, 3);
    await until(() => gateway.confirmed.get(eve.session) === 3);
    gateway.confirmed.clear();
    gateway.cursor(eve, 1);
    await until(() => gateway.confirmed.get(eve.session) === 3);
    gateway.cursor(eve, 1_000_000);
    await until(() => gateway.confirmed.get(eve.session) === 4);
    expect(await fixture.cursorOf('eve')).toBe(4);
  });

  test('a cursor of an unknown device, or of an epoch that was never given, is refused', async () => {
    const gateway = fixture.gateway();
    const fae = await gateway.open('fae');
    gateway.cursor({ ...fae, session: 901, device: 'nobody has this' }, 1);
    gateway.cursor({ ...fae, session: 902, epoch: fae.epoch + 5 }, 1);
    gateway.cursor({ session: 903, user: 'never seen', device: 'phone', epoch: 1 }, 1);
    await until(() => [901, 902, 903].every((session) => gateway.kicked.includes(session)));
    expect(await fixture.cursorOf('fae')).toBe(0);
  });

  test('attach answers the current session of a device with cursor and head, and kicks another session', async () => {
    const gateway = fixture.gateway();
    const gil = await gateway.open('gil');
    gateway.close(gil);
    fixture.message.say('bob', 'gil', 'while closed');
    await until(async () => (await fixture.inboxOf('gil')).length === 1);
    expect(gateway.told).toEqual([]);
    gateway.attach(gil, { ...gil, session: 800, epoch: gil.epoch + 1 }, { ...gil, session: 801, device: 'none' });
    await until(() => gateway.attached.has(gil.session) && gateway.kicked.length === 2);
    expect(gateway.attached.get(gil.session)).toEqual({ cursor: 0, head: 1 });
    fixture.message.say('bob', 'gil', 'after');
    await until(() => gateway.told.length === 1);
    expect(gateway.seqsOf(gil.session)).toEqual([2]);
  });

  test('the longest ids, of characters that do not compress, fit every table and index', async () => {
    const longest = (seed: number): string =>
      String.fromCodePoint(...Array.from({ length: 255 }, (_, n) => 0x20000 + ((n * 7_919 + seed * 104_729) % 42_000)));
    const [user, other, device, second] = [longest(1), longest(2), longest(3), longest(4)];
    expect(Buffer.byteLength(user + device)).toBe(2_040);
    const gateway = fixture.gateway();
    const first = await gateway.open(user, device);
    await gateway.open(user, second);
    fixture.message.say(other, user, 'hello');
    await until(() => gateway.seqsOf(first.session).length === 1);
    gateway.cursor(first, 1);
    await until(() => gateway.confirmed.get(first.session) === 1);
    expect(await fixture.cursorOf(user, device)).toBe(1);
    expect(await fixture.inboxOf(user)).toHaveLength(1);
  });

  test('devices are bounded: a new device replaces the longest unseen one', async () => {
    const gateway = fixture.gateway();
    for (let i = 0; i < 70; i++) gateway.close(await gateway.open('hoa', `device-${i}`));
    const { rows } = await fixture.admin.query<{ n: number }>(
      `select count(*)::int as n from offline.device where user_id = 'hoa'`,
    );
    expect(rows[0]?.n).toBe(64);
    expect(await fixture.cursorOf('hoa', 'device-0')).toBeUndefined();
    expect((await gateway.open('hoa', 'device-69')).epoch).toBeGreaterThan(1);
  });
});

test('sessions still get new entries when the clock is set ahead by hours', async () => {
  const fixture = await OfflineFixture.start();
  try {
    // The test controls the wall clock and the intervals of the service; all other timers are real.
    const real = [
      'setTimeout',
      'clearTimeout',
      'setImmediate',
      'clearImmediate',
      'nextTick',
      'queueMicrotask',
    ] as const;
    jest.useFakeTimers({ doNotFake: [...real, 'performance', 'hrtime'] });
    await fixture.instance('offline-1');
    const gateway = fixture.gateway();
    const ida = await gateway.open('ida');
    jest.setSystemTime(Date.now() + 3 * 3_600_000);
    jest.advanceTimersByTime(10_000);
    fixture.message.say('bob', 'ida', 'hello');
    await until(() => gateway.seqsOf(ida.session).length === 1, 'the new entry');
  } finally {
    jest.useRealTimers();
    await fixture.stop();
  }
}, 60_000);
