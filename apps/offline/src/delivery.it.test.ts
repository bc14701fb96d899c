import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { until, Rig } from './testing/rig.js';

describe('delivery', () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await Rig.start();
    await rig.instance('offline-1');
  }, 30_000);
  afterAll(() => rig.stop(), 30_000);

  test('news becomes a live entry; its receipt is stored, then confirmed', async () => {
    const gateway = rig.gateway();
    const bob = await gateway.open('bob');
    expect(bob).toMatchObject({ epoch: 1, cursor: 0, head: 0, waiting: 0 });

    rig.message.say('alice', 'bob', 'one');
    rig.message.say('alice', 'bob', 'two');
    await until(() => gateway.told.length === 2);
    expect(gateway.told.map((one) => one.seq)).toEqual([1, 2]);
    expect(gateway.textsOf(bob.session)).toEqual(['one', 'two']);

    gateway.cursor(bob, 2);
    await until(() => gateway.confirmed.get(bob.session) === 2);
    expect(await rig.cursorOf('bob')).toBe(2);
  });

  test('a first device gets what waited, a second one starts at the highest cursor', async () => {
    const gateway = rig.gateway();
    rig.message.say('alice', 'carol', 'one');
    rig.message.say('alice', 'carol', 'two');
    await until(async () => (await rig.inboxOf('carol')).length === 2);
    const phone = await gateway.open('carol', 'phone');
    expect(phone).toMatchObject({ epoch: 1, cursor: 0, head: 2, waiting: 2 });
    const page = await gateway.fetch(phone);
    expect(page.head).toEqual({
      entries: [
        [1, 0],
        [2, 1],
      ],
      upTo: 2,
      head: 2,
    });
    expect(page.bodies.map((body) => (JSON.parse(body) as { text: string }).text)).toEqual(['one', 'two']);
    gateway.cursor(phone, 1);
    await until(() => gateway.confirmed.get(phone.session) === 1);
    const tablet = await gateway.open('carol', 'tablet');
    expect(tablet).toMatchObject({ epoch: 1, cursor: 1, head: 2, waiting: 1 });
  });
});
