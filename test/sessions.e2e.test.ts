import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { HuizhiClient } from '@huizhi/client';
import { projectRoot, eventually } from '@huizhi/dev-env';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { Scenario } from './support/scenario.js';
import { Crowd } from './support/crowd.js';
import { Device } from './support/device.js';
import { expectWholeInbox, idsOf, sendTexts } from './support/ledger.js';
import { TestCluster } from './support/test-cluster.js';

jest.setTimeout(60_000);

const WINDOW = 20;
const BURST = 4;
const STALE_AFTER_MS = 3_000;
const LEEWAY_S = 5;
const OVERTAKEN = 'this device has logged in elsewhere since';
/**
 * Gateways by number: two with default settings, QUICK with short heartbeat and staleness limits, STRICT with a strict
 * login limit.
 */
const QUICK = 2;
const STRICT = 3;
let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start({
    instances: { gateway: 2, message: 1, offline: 2 },
    throughProxy: ['gateway.client', 'gateway.nats'],
    env: {
      all: { HZ_TOKEN_LEEWAY: `${LEEWAY_S}s` },
      gateway: { HZ_WINDOW: String(WINDOW), HZ_BATCH_ENTRIES: '5', HZ_REDELIVER_AFTER: '30s' },
    },
  });
  // Its devices send no heartbeats, so a test must finish within the shortest silence limit.
  const quick = { HZ_STALE_AFTER: `${STALE_AFTER_MS}ms`, HZ_HEARTBEAT: '400ms', HZ_HEARTBEAT_MIN: '5s' };
  await cluster.system.add('gateway', quick);
  await cluster.system.add('gateway', { HZ_LOGIN_ATTEMPTS: String(BURST) });
}, 120_000);
afterAll(() => cluster?.stop(), 60_000);

const silent = { receipts: false };
const closeOf = async (device: Device): Promise<unknown> => (await device.closed)?.name;

describe('a second login of the same device', () => {
  test('a login during a batch kicks the old socket, and the new one gets all unreceipted entries in order', async () => {
    const [alice, bob] = [await cluster.device(cluster.name('alice')), cluster.name('bob')];
    await cluster.known(bob);
    const receipts = await sendTexts(alice, bob, 60);
    // The first device of the user, to which all entries are delivered.
    const first = await cluster.device(bob, 'first', silent);
    await first.sawMessages(WINDOW);
    first.receipt({ upTo: 7 });
    await first.confirmed(7);
    const second = await cluster.device(bob, 'first', { gateway: 1 });
    expect(await first.closed).toMatchObject({ name: 'kicked', reconnect: false });
    await second.confirmed(60);
    expect(second.seen[0]?.inboxSeq).toBe(8);
    expectWholeInbox([first, second], idsOf(receipts));
  });

  test('ten logins a second through two gateways are rate-limited and leave one session', async () => {
    const [alice, bob] = [await cluster.device(cluster.name('alice')), cluster.name('bob')];
    await cluster.known(bob);
    const token = await cluster.system.token(bob);
    // The handshakes, which are slow on a busy machine, end before the first login.
    const connected = await Promise.all(
      Array.from({ length: 20 }, async (_, n) => {
        const gateway = n % 2 === 0 ? STRICT : 1;
        const device = await Device.connect(cluster.system.addressOf(gateway), { user: bob, deviceID: 'first', token });
        return { gateway, device };
      }),
    );
    const begun = performance.now();
    const attempts = await Promise.all(
      connected.map(async ({ gateway, device }, n) => {
        await delay(n * 50);
        return { gateway, device, receipt: await device.login() };
      }),
    );
    const seconds = Math.ceil((performance.now() - begun) / 1_000);
    const opened = attempts.filter(({ receipt }) => receipt.code === 0).map(({ device }) => device);
    const refused = attempts.filter(({ receipt }) => receipt.code !== 0);
    // On a busy machine a login may reach the owner after a newer one, which it must not end.
    const overtaken = refused.filter(({ receipt }) => receipt.reason === OVERTAKEN);
    const tooMany = refused.filter(({ receipt }) => receipt.reason !== OVERTAKEN);
    for (const { device } of overtaken) {
      expect(await device.closed).toMatchObject({ name: 'unavailable', reconnect: true });
    }
    // The burst, plus one login per elapsed second.
    expect(tooMany.length).toBeGreaterThanOrEqual(10 - BURST - seconds);
    for (const { gateway, device } of tooMany) {
      expect(gateway).toBe(STRICT);
      expect(await device.closed).toMatchObject({ name: 'rateLimited', reconnect: true });
    }
    await eventually('one session', () => opened.filter(({ open }) => open).length === 1);
    const receipts = await sendTexts(alice, bob, 5);
    const [last] = opened.filter(({ open }) => open);
    await last!.confirmed(5);
    for (const device of opened) {
      if (device !== last) expect(await closeOf(device)).toBe('kicked');
    }
    expectWholeInbox([last!], idsOf(receipts));
    await last!.drop();
  });
});

describe('a gateway that freezes while its device logs in elsewhere', () => {
  test('a gateway frozen too long closes its sessions before it reads a frame; pending frames have no effect', async () => {
    const [alice, carol] = [await cluster.device(cluster.name('alice')), cluster.name('carol')];
    const bob = cluster.name('bob');
    await cluster.known(bob, carol);
    const receipts = await sendTexts(alice, bob, 3);
    const frozen = await cluster.device(bob, 'first', { gateway: QUICK, ...silent });
    const bystander = await cluster.device(carol, 'first', { gateway: QUICK });
    await frozen.sawMessages(3);
    const service = cluster.system.gateway(QUICK);
    service.freeze();
    let again: Device;
    try {
      frozen.receipt({ upTo: 3 });
      frozen.text(alice.options.user, 'from the past');
      bystander.text(alice.options.user, 'too late');
      again = await cluster.device(bob, 'first', silent);
      await again.sawMessages(3);
      // The elapsed time itself is under test.
      await delay(STALE_AFTER_MS + 500);
    } finally {
      service.resume();
    }
    // The close depends on which it reads first: the event of the other login or the pending frames.
    expect(['staleSession', 'kicked']).toContain(await closeOf(frozen));
    expect(await bystander.closed).toMatchObject({ name: 'staleSession', reconnect: true });
    expect([frozen, bystander].map((one) => one.find({ messageType: 'normalReceipt' }))).toEqual([
      undefined,
      undefined,
    ]);
    expect(await cluster.history(alice, bob)).toHaveLength(3);
    expect(await cluster.history(alice, carol)).toEqual([]);
    again.receipt({ upTo: 2 });
    await again.confirmed(2);
    expect(again.find({ messageType: 'receiptConfirm', inboxSeq: 3 })).toBeUndefined();
    expectWholeInbox([frozen, again], idsOf(receipts));
  });

  test('a gateway frozen for a moment cannot write for its stale session or disturb the new one', async () => {
    const [alice, bob] = [await cluster.device(cluster.name('alice')), cluster.name('bob')];
    await cluster.known(bob);
    const receipts = await sendTexts(alice, bob, 3);
    const frozen = await cluster.device(bob, 'first', { gateway: 1, ...silent });
    await frozen.sawMessages(3);
    const service = cluster.system.gateway(1);
    service.freeze();
    let again: Device;
    try {
      frozen.receipt({ upTo: 3 });
      again = await cluster.device(bob, 'first', silent);
      await again.sawMessages(3);
    } finally {
      service.resume();
    }
    expect(await closeOf(frozen)).toBe('kicked');
    expect(frozen.find({ messageType: 'receiptConfirm' })).toBeUndefined();
    await again.drop();
    const last = await cluster.device(bob, 'first');
    expect(last.find({ messageType: 'loginReceipt' })).toMatchObject({ inboxSeq: 0, waiting: 3 });
    await last.confirmed(3);
    expectWholeInbox([frozen, again, last], idsOf(receipts));
  });
});

test('a half-open connection is closed after missed heartbeats, and unreceipted messages are redelivered', async () => {
  const [alice, bob] = [await cluster.device(cluster.name('alice')), cluster.name('bob')];
  await cluster.known(bob);
  const proxy = cluster.system.proxy('gateway.client', QUICK);
  const missed = (): Promise<number> =>
    cluster.metric(cluster.system.gateway(QUICK), 'hz_gateway_closes_total', 'heartbeatMissed');
  const lost = await cluster.device(bob, 'first', { gateway: QUICK });
  const before = await missed();
  proxy.blackhole();
  try {
    const receipts = await sendTexts(alice, bob, 3);
    await eventually('the heartbeats to be missed', async () => (await missed()) > before);
    expect(lost.open).toBe(true);
    expect(lost.seen).toEqual([]);
    const again = await cluster.device(bob, 'first');
    await again.confirmed(3);
    expectWholeInbox([lost, again], idsOf(receipts));
  } finally {
    await proxy.heal();
  }
});

test('300 devices that are cut off at once reconnect through two gateways without loss or duplicates', async () => {
  await Scenario.play(cluster, 'storm', async (scenario) => {
    const timings = { reconnect: { baseMs: 500, maxMs: 4_000 } };
    const crowd = await Crowd.of(scenario, { size: 300, word: 'storm', gateways: [0, 1], timings });
    crowd.say(2);
    await scenario.fault('all are cut off', async () => {
      for (const gateway of [0, 1]) cluster.system.proxy('gateway.client', gateway).reset();
      crowd.say(2);
      await crowd.works(40_000);
    });
    expect(crowd.online).toBe(300);
    expect(crowd.members.every(({ logins }) => logins >= 2)).toBe(true);
  });
}, 120_000);

describe('tokens', () => {
  const hz = async (...args: string[]): Promise<string> => {
    const main = join(projectRoot(), 'dist/apps/cli/src/main.js');
    const env = { ...process.env, HZ_NATS_URL: cluster.system.natsUrl('admin') };
    return (await promisify(execFile)(process.execPath, [main, ...args], { env })).stdout;
  };
  /** Logs in with a token that is new enough after a revocation: issued after the leeway, in whole seconds. */
  const renewed = (user: string): Promise<Device> =>
    eventually('a token that is good again', () =>
      cluster.device(user, 'phone', { gateway: 1 }).catch(() => undefined),
    );

  test('an expired token closes its session, and the SDK logs in with a new one', async () => {
    const [alice, bob] = [await cluster.device(cluster.name('alice')), cluster.name('bob')];
    let asked = 0;
    const client = new HuizhiClient({
      address: cluster.system.addressOf(0),
      user: bob,
      deviceID: 'phone',
      token: () => cluster.system.token(bob, { expiresIn: ++asked === 1 ? 3 : '1h' }),
    });
    const texts: unknown[] = [];
    const closes: string[] = [];
    client.on('message', ({ content }) => texts.push(content.text));
    client.on('closed', (_, name) => closes.push(name));
    try {
      await client.connect();
      await sendTexts(alice, bob, 1, 'before');
      await eventually('another login', () => asked === 2 && client.state === 'online');
      await sendTexts(alice, bob, 1, 'after');
      await eventually('both messages', () => texts.length === 2);
      expect(texts).toEqual([`before-${bob}-0`, `after-${bob}-0`]);
      expect(closes).toEqual(['tokenExpired']);
    } finally {
      await client.close();
    }
  });

  test('a revocation closes every session on every gateway and refuses older tokens but not newer ones', async () => {
    const [alice, bob] = [await cluster.device(cluster.name('alice')), cluster.name('bob')];
    const token = await cluster.system.token(bob);
    const sessions = [
      await cluster.device(bob, 'phone', { token }),
      await cluster.device(bob, 'tablet', { token, gateway: 1 }),
      await cluster.device(bob, 'watch', { token, gateway: STRICT }),
    ];
    expect(await hz('revoke', bob)).toMatch(
      new RegExp(`^${bob}: 3 sessions ended; tokens issued from .* on are good\n$`),
    );
    for (const session of sessions) expect(await session.closed).toMatchObject({ name: 'revoked', reconnect: false });
    for (const gateway of [0, 1]) {
      const refused = await Device.connect(cluster.system.addressOf(gateway), { user: bob, deviceID: 'phone', token });
      expect(await refused.login()).toMatchObject({ code: 1104, name: 'tokenRevoked' });
      expect(await closeOf(refused)).toBe('loginFailed');
    }
    const receipts = await sendTexts(alice, bob, 2);
    const again = await renewed(bob);
    await again.confirmed(2);
    expectWholeInbox([again], idsOf(receipts));
  });

  test('a revocation also refuses a token of an issuer with a fast clock, even after its `iat` has passed', async () => {
    const bob = cluster.name('bob');
    const tooFar = await cluster.system.token(bob, { aheadS: LEEWAY_S + 600 });
    const refused = await Device.connect(cluster.system.addressOf(0), { user: bob, deviceID: 'phone', token: tooFar });
    expect(await refused.login()).toMatchObject({ name: 'badToken', reason: expect.stringContaining('iat') });
    const ahead = await cluster.system.token(bob, { aheadS: LEEWAY_S - 1 });
    const phone = await cluster.device(bob, 'phone', { token: ahead });
    expect(await hz('revoke', bob)).toContain(': 1 sessions ended');
    expect(await phone.closed).toMatchObject({ name: 'revoked' });
    const again = await renewed(bob);
    // A newer token is valid by now, so the `iat` of this one has passed.
    const late = await Device.connect(cluster.system.addressOf(0), { user: bob, deviceID: 'tablet', token: ahead });
    expect(await late.login()).toMatchObject({ name: 'tokenRevoked' });
    await again.drop();
  });

  test('a gateway that was cut off from the bus closes revoked sessions when it reconnects', async () => {
    const bob = cluster.name('bob');
    const phone = await cluster.device(bob, 'phone', { gateway: 1 });
    const proxy = cluster.system.proxy('gateway.nats', 1);
    await proxy.cut();
    try {
      expect(await hz('revoke', bob)).toContain(': 1 sessions ended');
      expect(phone.open).toBe(true);
    } finally {
      await proxy.heal();
    }
    expect(await phone.closed).toMatchObject({ name: 'revoked', reconnect: false });
  });

  test('hz prints the reason when it refuses an argument', async () => {
    const data = ['--data', cluster.system.dataDir];
    const rule = { stderr: expect.stringContaining('must not begin or end with a space') };
    for (const command of ['revoke', 'token']) await expect(hz(command, ' bob')).rejects.toMatchObject(rule);
    for (const expires of ['soon', '-1h', '1h ago', '0s', '101y']) {
      const named = { stderr: expect.stringContaining(`--expires ${expires}: must be`) };
      await expect(hz('token', 'bob', `--expires=${expires}`, ...data)).rejects.toMatchObject(named);
    }
    expect((await hz('token', '张三', ...data)).split('.')).toHaveLength(3);
    const nowhere = ['--nats', 'nats://huizhi:very-secret@127.0.0.1:9'];
    const failed = { stderr: expect.stringMatching(/^cannot reach the bus(?!.*very-secret)/s) };
    await expect(hz('revoke', 'bob', ...nowhere)).rejects.toMatchObject(failed);
    const wrong = new URL(cluster.system.natsUrl('admin'));
    wrong.password = 'very-secret';
    const refused = { stderr: expect.stringMatching(/refuses the credentials: check HZ_NATS_URL(?!.*very-secret)/s) };
    await expect(hz('revoke', 'bob', '--nats', wrong.href)).rejects.toMatchObject(refused);
  });
});
