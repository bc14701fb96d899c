import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { eventually, type Service } from '@huizhi/dev-env';
import { Device } from './support/device.js';
import { Lanes } from './support/lanes.js';
import { TestCluster } from './support/test-cluster.js';

/**
 * Wrong clocks in real processes, by an hour or several days: libfaketime changes the clock of a service, but not its
 * timers.
 */

jest.setTimeout(90_000);

const LIBRARY = [
  '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1',
  '/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1',
].find((path) => existsSync(path));

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const off = (by: '-1h' | '+1h'): Record<string, string> => ({
  LD_PRELOAD: LIBRARY ?? '',
  FAKETIME: by,
  FAKETIME_DONT_FAKE_MONOTONIC: '1',
  // Otherwise processes would share the fake time through shared memory.
  FAKETIME_NO_CACHE: '0',
});

/** A clock that the test changes while the process runs. */
class SettableClock {
  private readonly folder = mkdtempSync(join(tmpdir(), 'hz-clock-'));
  private readonly file = join(this.folder, 'time');

  constructor() {
    this.set('+0');
  }

  get env(): Record<string, string> {
    return {
      LD_PRELOAD: LIBRARY ?? '',
      FAKETIME_TIMESTAMP_FILE: this.file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    };
  }

  set(by: '+0' | '+3d' | '-3d'): void {
    writeFileSync(this.file, `${by}\n`);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }
}

let cluster: TestCluster;
let lanes: Lanes;
const user = (device: Device): string => device.options.user;

beforeAll(async () => {
  if (!LIBRARY) throw new Error('libfaketime is missing: npm run setup installs it for the tests (Debian: faketime)');
  cluster = await TestCluster.start();
  lanes = await Lanes.of(cluster);
}, 120_000);
afterAll(async () => {
  await lanes?.close();
  await cluster?.stop();
}, 60_000);

const texts = async (from: Device, to: Device, ids: string[]): Promise<Record<string, unknown>[]> => {
  for (const id of ids) from.text(user(to), id);
  return Promise.all(ids.map((id) => from.answer(id)));
};

describe('a wrong clock', () => {
  test('a sender’s wrong clock affects neither `serverTime` nor the order', async () => {
    const [alice, bob] = [await cluster.device(cluster.name('clock-a')), await cluster.device(cluster.name('clock-b'))];
    const receipts = [];
    for (const [n, ahead] of [HOUR, -HOUR, 0, -1e15, 1e15].entries()) {
      const frame = { messageType: 'normal', chatType: 'userChat', contenType: 'text', toUserID: user(bob) };
      alice.say({ ...frame, clientMsgID: `c${n}`, sendTime: String(Date.now() + ahead), content: { text: String(n) } });
      receipts.push(await alice.answer(`c${n}`));
    }
    expect(receipts.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5]);
    for (const { serverTime } of receipts) expect(Math.abs(Number(serverTime) - Date.now())).toBeLessThan(HOUR / 2);
    await bob.sawMessages(5);
    expect(bob.seen.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5]);
  });

  test('a message service with a clock an hour slow continues `seq` and does not move `serverTime` back', async () => {
    const [alice, bob] = [
      await cluster.device(cluster.name('behind-a')),
      await cluster.device(cluster.name('behind-b')),
    ];
    const before = await texts(alice, bob, ['m1', 'm2', 'm3']);
    const first = cluster.system.message();
    const second = await cluster.system.add('message', off('-1h'));
    await first.kill9();
    await lanes.owner(user(alice), user(bob), first);
    const after = [await alice.settle(user(bob), 'm4'), await alice.settle(user(bob), 'm5')];
    expect(await clockOf(second)).toBeLessThan(Date.now() - HOUR / 2);
    const all = [...before, ...after];
    expect(all.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5]);
    const times = all.map(({ serverTime }) => Number(serverTime));
    expect(times).toEqual([...times].sort((a, b) => a - b));
    await cluster.nothingLost(alice, bob, all);

    // A new conversation gets the slow clock's time, which must not decrease after the correct clock takes over again.
    const early = await texts(bob, alice, ['n1']);
    await first.launch();
    await first.waitReady();
    await second.stop();
    const late = await bob.settle(user(alice), 'n2');
    expect(Number(late.seq)).toBe(Number(early[0]?.seq) + 1);
    expect(Number(late.serverTime)).toBeGreaterThanOrEqual(Number(early[0]?.serverTime));
    await lanes.haveNoHoles();
  });

  test.each(['+3d', '-3d'] as const)(
    'a message service whose clock is off by %s stores the database’s time and logs the offset',
    async (jump) => {
      const [alice, bob] = [await cluster.device(cluster.name('jump-a')), await cluster.device(cluster.name('jump-b'))];
      const clock = new SettableClock();
      const before = cluster.system.instances('message').find(({ running }) => running)!;
      const service = await cluster.system.add('message', clock.env);
      await before.stop();
      await lanes.owner(user(alice), user(bob), before);
      const receipts = [await alice.settle(user(bob), 'm1')];
      clock.set(jump);
      receipts.push(await alice.settle(user(bob), 'm2'), await bob.settle(user(alice), 'n1'));
      expect(Math.max(...receipts.map(({ serverTime }) => Math.abs(Number(serverTime) - Date.now())))).toBeLessThan(
        HOUR,
      );
      await eventually('the offset to be measured', async () => {
        const offset = await cluster.metric(service, 'hz_clock_offset_seconds');
        return Math.abs(offset) > (2 * DAY) / 1_000;
      });
      expect(await cluster.metric(service, 'hz_clock_overruled_total')).toBeGreaterThan(0);
      await eventually('a log line', () => service.logs.some((line) => line.includes('"clock.overruled"')));
      clock.set('+0');
      receipts.push(await alice.settle(user(bob), 'm3'));
      const times = receipts.map(({ serverTime }) => Number(serverTime));
      for (const time of times) expect(Math.abs(time - Date.now())).toBeLessThan(HOUR / 2);
      expect(times).toEqual([...times].sort((a, b) => a - b));
      clock.remove();
    },
  );

  test('an offline service with a clock an hour fast takes lanes over, and delivers and confirms in order', async () => {
    const [alice, bob] = [await cluster.device(cluster.name('ahead-a')), await cluster.device(cluster.name('ahead-b'))];
    const first = cluster.system.offline();
    const receipts = await texts(alice, bob, ['m1', 'm2']);
    await bob.sawMessages(2);
    await cluster.system.add('offline', off('+1h'));
    await first.kill9();
    receipts.push(await alice.settle(user(bob), 'm3'), await alice.settle(user(bob), 'm4'));
    await cluster.nothingLost(alice, bob, receipts);
    await bob.confirmed(4);
    const later = await cluster.device(user(bob));
    expect(later.find({ messageType: 'loginReceipt' })).toMatchObject({ inboxSeq: 4, waiting: 0 });
  });

  test('a gateway decides by its own clock whether a token has expired', async () => {
    const wrong = await cluster.system.add('gateway', off('+1h'));
    const i = cluster.system.instances('gateway').indexOf(wrong);
    const name = cluster.name('expiry');
    const token = await cluster.system.token(name, { expiresIn: '30m' });
    const login = async (gateway: number): Promise<Record<string, unknown>> => {
      const device = await Device.connect(cluster.system.addressOf(gateway), { user: name, deviceID: 'd', token });
      const receipt = await device.login();
      await device.drop();
      return receipt;
    };
    expect(await login(i)).toMatchObject({ name: 'tokenExpired' });
    expect(await login(0)).toMatchObject({ code: 0 });
  });
});

/** The current time of a service in milliseconds, from its last log line. */
async function clockOf(service: Service): Promise<number> {
  const line = service.logs.findLast((each) => each.startsWith('{')) ?? '{}';
  return Date.parse((JSON.parse(line) as { time: string }).time);
}
