import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { OfflineFixture, until } from './testing/offline-fixture.js';
import { textOf } from './testing/fake-gateway.js';

describe('delivery', () => {
  let fixture: OfflineFixture;
  beforeAll(async () => {
    fixture = await OfflineFixture.start();
    await fixture.instance('offline-1');
  }, 30_000);
  afterAll(() => fixture.stop(), 30_000);

  test('a committed event becomes a live entry; its receipt is stored, then confirmed', async () => {
    const gateway = fixture.gateway();
    const bob = await gateway.open('bob');
    expect(bob).toMatchObject({ epoch: 1, cursor: 0, head: 0 });
    fixture.message.say('alice', 'bob', 'one');
    fixture.message.say('alice', 'bob', 'two');
    await until(() => gateway.told.length === 2);
    expect(gateway.seqsOf(bob.session)).toEqual([1, 2]);
    expect(gateway.textsOf(bob.session)).toEqual(['one', 'two']);

    gateway.cursor(bob, 2);
    await until(() => gateway.confirmed.get(bob.session) === 2);
    expect(await fixture.cursorOf('bob')).toBe(2);
  });

  test('a login of a first device returns the head, and the waiting entries are fetched', async () => {
    fixture.message.say('alice', 'carol', 'one');
    fixture.message.say('alice', 'carol', 'two');
    await until(async () => (await fixture.inboxOf('carol')).length === 2);
    const gateway = fixture.gateway();
    const carol = await gateway.open('carol');
    expect(carol).toMatchObject({ epoch: 1, cursor: 0, head: 2 });
    const page = await gateway.fetch(carol);
    expect(page.head).toEqual({
      entries: [
        [1, 0],
        [2, 1],
      ],
      upTo: 2,
      head: 2,
    });
    expect(page.bodies.map(textOf)).toEqual(['one', 'two']);
    fixture.message.say('alice', 'carol', 'three');
    await until(() => gateway.told.length === 1);
    expect(gateway.seqsOf(carol.session)).toEqual([3]);
  });

  test('the other devices of a sender get a copy; for the sending device the entry is void', async () => {
    const gateway = fixture.gateway();
    const phone = await gateway.open('dave', 'phone');
    fixture.message.say('dave', 'erin', 'from the only device', 'phone');
    await until(async () => (await fixture.inboxOf('erin')).length === 1);
    expect(await fixture.inboxOf('dave')).toEqual([]);

    const tablet = await gateway.open('dave', 'tablet');
    fixture.message.say('dave', 'erin', 'from the phone', 'phone');
    fixture.message.say('erin', 'dave', 'answer', 'phone');
    await until(() => gateway.told.length === 4);
    expect(gateway.seqsOf(phone.session)).toEqual([1, 2]);
    expect(gateway.textsOf(phone.session)).toEqual([undefined, 'answer']);
    expect(gateway.textsOf(tablet.session)).toEqual(['from the phone', 'answer']);

    const page = await gateway.fetch(phone);
    expect(page.head.entries).toEqual([
      [1, -1],
      [2, 0],
    ]);
    expect((await gateway.fetch(tablet)).bodies.map(textOf)).toEqual(['from the phone', 'answer']);
  });

  test('the known devices of a sender get a copy of a message from an unknown device', async () => {
    const gateway = fixture.gateway();
    await gateway.open('fay', 'phone');
    fixture.message.say('fay', 'erin', 'hello', 'a device from before');
    await until(() => gateway.told.length === 1);
    expect(await fixture.inboxOf('fay')).toMatchObject([{ seq: 1, skip: 'a device from before' }]);
  });

  test('a note to oneself reaches the other devices once', async () => {
    const gateway = fixture.gateway();
    await gateway.open('gus', 'phone');
    const tablet = await gateway.open('gus', 'tablet');
    fixture.message.say('gus', 'gus', 'remember', 'phone');
    await until(() => gateway.textsOf(tablet.session).length === 1);
    expect(await fixture.inboxOf('gus')).toHaveLength(1);
  });

  test('a group event reaches the members of the first event, and each gateway gets its body once', async () => {
    const gateway = fixture.gateway();
    const members = ['gail', 'gina', 'glen'];
    const sessions = await Promise.all(members.map((member) => gateway.open(member)));
    fixture.message.publish(fixture.message.storeInGroup('g_new', 'gail', 'made', members));
    fixture.message.publish(fixture.message.storeInGroup('g_new', 'gina', 'hello'));
    await until(() => gateway.told.length === 4);
    expect(sessions.map(({ session }) => gateway.textsOf(session))).toEqual([['hello'], ['made'], ['made', 'hello']]);
    expect(fixture.message.membersAsked).toEqual([]);
  });

  test('the members of an unknown group are requested; its lane waits and keeps its order', async () => {
    const gateway = fixture.gateway();
    const hal = await gateway.open('hal');
    fixture.message.groups.set('g_old', ['hal', 'ida']);
    const first = fixture.message.storeInGroup('g_old', 'ida', 'one');
    const second = fixture.message.storeInGroup('g_old', 'ida', 'two');
    fixture.message.publish(first);
    fixture.message.publish(second);
    await until(() => gateway.told.length === 2);
    expect(gateway.textsOf(hal.session)).toEqual(['one', 'two']);
    expect(fixture.message.membersAsked).toEqual([{ groups: [['g_old', first.events[0]?.position]] }]);
  });

  test('lost events are read from the log when a later bus message or an announcement shows the gap', async () => {
    const gateway = fixture.gateway();
    const jan = await gateway.open('jan');
    fixture.message.store('kim', 'jan', 'lost 1');
    fixture.message.store('kim', 'jan', 'lost 2');
    fixture.message.say('kim', 'jan', 'heard');
    await until(() => gateway.told.length === 3);
    fixture.message.store('kim', 'jan', 'lost 3');
    fixture.message.announce();
    await until(() => gateway.told.length === 4);
    expect(gateway.textsOf(jan.session)).toEqual(['lost 1', 'lost 2', 'heard', 'lost 3']);
    expect(gateway.seqsOf(jan.session)).toEqual([1, 2, 3, 4]);
  });

  test('a repeated or late bus message of events changes nothing', async () => {
    const gateway = fixture.gateway();
    const lea = await gateway.open('lea');
    const first = fixture.message.say('kim', 'lea', 'one');
    fixture.message.publish(first);
    fixture.message.say('kim', 'lea', 'two');
    fixture.message.publish(first);
    fixture.message.say('kim', 'lea', 'three');
    await until(() => gateway.told.length === 3);
    expect(gateway.textsOf(lea.session)).toEqual(['one', 'two', 'three']);
    expect(await fixture.inboxOf('lea')).toHaveLength(3);
  });

  test('an unavailable log delays delivery, and nothing is lost', async () => {
    const gateway = fixture.gateway();
    const mia = await gateway.open('mia');
    fixture.message.answering = false;
    fixture.message.store('kim', 'mia', 'lost');
    fixture.message.say('kim', 'mia', 'heard');
    await until(
      async () => (await gateway.fetch(mia).catch(() => ({ head: { error: 'none' } }))).head.error === undefined,
    );
    expect(gateway.told).toEqual([]);
    fixture.message.answering = true;
    await until(() => gateway.told.length === 2);
    expect(gateway.textsOf(mia.session)).toEqual(['lost', 'heard']);
  });

  test('the batches to a gateway are numbered without holes, and a tick repeats the last number', async () => {
    const gateway = fixture.gateway();
    await gateway.open('ned');
    for (let i = 0; i < 20; i++) fixture.message.say('kim', 'ned', `${i}`);
    await until(() => gateway.told.length === 20);
    await until(() => gateway.batches.some((batch) => batch.tick));
    const numbers = gateway.batches.filter((batch) => !batch.tick).map((batch) => batch.n);
    expect(numbers).toEqual(numbers.map((_, i) => i + 1));
    expect(gateway.batches.find((batch) => batch.tick)?.n).toBeLessThanOrEqual(numbers.length);
  });

  test('entries that were stored while the bus was down arrive after it has restarted', async () => {
    const gateway = fixture.gateway();
    const oda = await gateway.open('oda');
    await fixture.nats.restart();
    fixture.message.store('kim', 'oda', 'nobody heard');
    await until(() => gateway.told.length === 1);
    expect(gateway.textsOf(oda.session)).toEqual(['nobody heard']);
  });
});
