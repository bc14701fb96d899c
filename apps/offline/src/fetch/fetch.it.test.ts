import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { textOf } from '../testing/fake-gateway.js';
import { OfflineFixture, until } from '../testing/offline-fixture.js';

describe('fetching', () => {
  let fixture: OfflineFixture;
  beforeAll(async () => {
    fixture = await OfflineFixture.start();
    await fixture.instance('offline-1');
  }, 30_000);
  afterAll(() => fixture.stop(), 30_000);

  test('a page is bounded in entries and in bytes', async () => {
    for (let i = 1; i <= 20; i++) fixture.message.store('ann', 'bob', `${i}`.padStart(100, '0'));
    fixture.message.announce();
    const gateway = fixture.gateway();
    await until(async () => (await fixture.inboxOf('bob')).length === 20);
    const bob = await gateway.open('bob');
    const five = await gateway.fetch(bob, { limit: 5 });
    expect(five.head.entries.map(([seq]) => seq)).toEqual([1, 2, 3, 4, 5]);
    expect(five.head).toMatchObject({ upTo: 5, head: 20 });
    const small = await gateway.fetch(bob, { from: 6, maxBytes: 500 });
    const bytes = small.bodies.reduce((sum, body) => sum + body.length + 1, 0);
    expect(bytes).toBeLessThanOrEqual(500);
    expect(small.head.upTo).toBe(5 + small.bodies.length);
    expect((await gateway.fetch(bob, { from: 9, maxBytes: 1 })).head).toMatchObject({ entries: [[9, 0]], upTo: 9 });
    expect((await gateway.fetch(bob, { from: 21 })).head).toEqual({ entries: [], upTo: 20, head: 20 });
  });

  test('a page has the bodies that the log holds at that moment; a blank body makes its entry void', async () => {
    const gateway = fixture.gateway();
    fixture.message.say('ann', 'cat', 'one');
    const recalled = fixture.message.say('ann', 'cat', 'two');
    fixture.message.say('ann', 'cat', 'three');
    await until(async () => (await fixture.inboxOf('cat')).length === 3);
    fixture.message.blank(recalled);
    const page = await gateway.fetch(await gateway.open('cat'));
    expect(page.head.entries).toEqual([
      [1, 0],
      [2, -1],
      [3, 1],
    ]);
    expect(page.bodies.map(textOf)).toEqual(['one', 'three']);
  });

  test('a fetch is answered `unavailable` when the log does not answer', async () => {
    const gateway = fixture.gateway();
    fixture.message.say('ann', 'dot', 'one');
    await until(async () => (await fixture.inboxOf('dot')).length === 1);
    const dot = await gateway.open('dot');
    fixture.message.answering = false;
    expect((await gateway.fetch(dot)).head.error).toBe('unavailable');
    fixture.message.answering = true;
    expect((await gateway.fetch(dot)).head.error).toBeUndefined();
  });

  test('a backlog of 100,000 entries is read from the log and fetched in pages, completely and in order', async () => {
    for (let i = 1; i <= 100_000; i++) fixture.message.store('ann', 'eli', `${i}`);
    fixture.message.announce();
    const count = async (): Promise<number> =>
      (await fixture.admin.query<{ n: number }>(`select count(*)::int as n from offline.inbox where user_id = 'eli'`))
        .rows[0]?.n ?? 0;
    await until(async () => (await count()) === 100_000, 'the backlog to be applied', 60_000);
    const gateway = fixture.gateway();
    const eli = await gateway.open('eli');
    expect(eli.head - eli.cursor).toBe(100_000);
    const firstPage = async (): Promise<number> => {
      const begun = performance.now();
      await gateway.fetch(eli, { limit: 1_000 });
      return performance.now() - begun;
    };
    const asked = fixture.message.placesAsked;
    const first = Math.min(await firstPage(), await firstPage(), await firstPage());
    expect(fixture.message.placesAsked - asked).toBe(3_000);
    const begun = performance.now();
    const texts: number[] = [];
    for (let from = 1; from <= eli.head;) {
      const page = await gateway.fetch(eli, { from, limit: 1_000 });
      for (const body of page.bodies) texts.push(Number(textOf(body)));
      from = page.head.upTo + 1;
    }
    // Relative bound, independent of the machine: one page takes little of the time of all pages.
    expect(first).toBeLessThan((performance.now() - begun) / 10);
    expect(texts.length).toBe(100_000);
    expect(texts.every((text, i) => text === i + 1)).toBe(true);
  }, 120_000);
});
