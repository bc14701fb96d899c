import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { Service } from '@huizhi/dev-env';
import type { Device } from './support/device.js';
import { expectWholeInbox, Flow, idsOf, sendTexts, type Receipts } from './support/ledger.js';
import { Lanes } from './support/lanes.js';
import { TestCluster } from './support/test-cluster.js';

jest.setTimeout(90_000);

/** A bound in milliseconds for busy machines; an idle one needs one or two seconds after a fault ends. */
const SECONDS_MS = 20_000;
let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start({
    instances: { gateway: 2, message: 2, offline: 2 },
    throughProxy: ['gateway.nats', 'message.nats', 'offline.nats'],
    env: {
      gateway: {
        HZ_FRAMES_PER_SECOND: '10000',
        HZ_SEND_TIMEOUT: '3s',
        HZ_RESEND_AFTER: '300ms',
        HZ_RESEND_MAX: '1s',
        HZ_REDELIVER_AFTER: '2s',
        HZ_REDELIVER_MAX: '4s',
        HZ_CURSOR_REPEAT: '300ms',
      },
      message: { HZ_LEASE: '1s' },
      offline: { HZ_LEASE: '1s' },
    },
  });
}, 120_000);
afterAll(() => cluster?.stop(), 60_000);
afterEach(async () => {
  const services = (['gateway', 'message', 'offline'] as const).flatMap((name) => cluster.system.instances(name));
  await Promise.all(services.map((service) => (service.running ? service.waitReady() : service.restart())));
}, 60_000);

/** The recipient uses the first gateway, the sender the second. */
async function pair(options: { receipts: boolean } = { receipts: true }): Promise<{ alice: Device; bob: Device }> {
  const bob = await cluster.device(cluster.name('bob'), 'phone', { gateway: 0, ...options });
  return { alice: await cluster.device(cluster.name('alice'), 'phone', { gateway: 1 }), bob };
}

const again = (device: Device): Promise<Device> => cluster.device(device.options.user, 'phone', { gateway: 1 });
const send = (alice: Device, bob: Device, count: number, word?: string): Promise<Receipts> =>
  sendTexts(alice, bob.options.user, count, word);

/** Checks that every message is delivered and receipted on these connections, and that none is pending afterwards. */
async function allDelivered(connections: Device[], receipts: Receipts): Promise<void> {
  const last = connections.at(-1) as Device;
  const done = (): boolean => {
    const confirms = last.frames.filter((frame) => !Array.isArray(frame) && frame.messageType === 'receiptConfirm');
    const numbers = confirms.map((frame) => Number((frame as Record<string, unknown>).inboxSeq));
    return Math.max(0, ...numbers) >= receipts.length;
  };
  await last.until(`the confirm of ${receipts.length}`, done, SECONDS_MS);
  expectWholeInbox(connections, idsOf(receipts));
  const check = await again(last);
  expect(check.find({ messageType: 'loginReceipt' })).toMatchObject({
    inboxSeq: receipts.length,
    head: receipts.length,
    waiting: 0,
  });
  await check.drop();
}

/** A send that ends with a temporary error, because the system does not answer the gateway. */
async function unknown(alice: Device, bob: Device, clientMsgID: string): Promise<void> {
  alice.text(bob.options.user, clientMsgID);
  expect(await alice.answer(clientMsgID)).toMatchObject({ messageType: 'error', temporary: true });
}

describe('a gateway that crashes', () => {
  test('another gateway redelivers when a gateway crashes between delivery and receipt', async () => {
    const { alice, bob } = await pair({ receipts: false });
    const receipts = await send(alice, bob, 3);
    await bob.sawMessages(3);
    await cluster.system.gateway(0).kill9();
    expect(await bob.closed).toBeUndefined();
    const elsewhere = await again(bob);
    expect(elsewhere.find({ messageType: 'loginReceipt' })).toMatchObject({ inboxSeq: 0, waiting: 3 });
    receipts.push(...(await send(alice, bob, 3, 'after')));
    await allDelivered([bob, elsewhere], receipts);
  });

  test.each(['gateway.before-delivery-write=crash@2', 'gateway.before-cursor=crash'])(
    'another gateway redelivers when a gateway crashes at %s',
    async (failpoint) => {
      const { alice, bob } = await pair();
      const gateway = cluster.system.gateway(0);
      await cluster.arm(gateway, failpoint);
      const flow = new Flow(alice, bob.options.user);
      expect((await gateway.exited).signal).toBe('SIGKILL');
      await bob.closed;
      const elsewhere = await again(bob);
      await flow.more(5);
      await allDelivered([bob, elsewhere], await flow.stop());
    },
  );
});

describe('an outage of the bus or a service', () => {
  test('no message is lost when NATS is killed twice under load', async () => {
    const { alice, bob } = await pair();
    const flow = new Flow(alice, bob.options.user);
    for (let time = 0; time < 2; time++) {
      await flow.more(20);
      await cluster.system.nats?.kill9();
      await cluster.system.nats?.restart();
    }
    await flow.more(20);
    await allDelivered([bob], await flow.stop());
  });

  test('sends end as unknown when NATS freezes, and a resend settles them', async () => {
    const { alice, bob } = await pair();
    const receipts = await send(alice, bob, 10);
    cluster.system.nats?.freeze();
    await unknown(alice, bob, 'frozen').finally(() => cluster.system.nats?.resume());
    receipts.push(await alice.settle(bob.options.user, 'frozen'), ...(await send(alice, bob, 10, 'after')));
    await allDelivered([bob], receipts);
  });

  test('only deliveries are delayed when the offline services are cut from the bus', async () => {
    const { alice, bob } = await pair();
    const proxies = [0, 1].map((i) => cluster.system.proxy('offline.nats', i));
    const receipts = await send(alice, bob, 10);
    await bob.confirmed(10);
    await Promise.all(proxies.map((proxy) => proxy.cut()));
    receipts.push(...(await send(alice, bob, 50, 'cut')));
    await Promise.all(proxies.map((proxy) => proxy.heal()));
    receipts.push(...(await send(alice, bob, 10, 'after')));
    await allDelivered([bob], receipts);
  });

  test('the last message is delivered when its event on the bus is lost', async () => {
    const { alice, bob } = await pair();
    const proxies = [0, 1].map((i) => cluster.system.proxy('offline.nats', i));
    const receipts = await send(alice, bob, 3);
    await bob.confirmed(3);
    for (const proxy of proxies) proxy.blackhole();
    receipts.push(...(await send(alice, bob, 1, 'last')));
    await Promise.all(proxies.map((proxy) => proxy.heal()));
    await allDelivered([bob], receipts);
  });

  test('sends end as unknown when the message services are cut from the bus, and a resend settles them', async () => {
    const { alice, bob } = await pair();
    const proxies = [0, 1].map((i) => cluster.system.proxy('message.nats', i));
    const receipts = await send(alice, bob, 10);
    await Promise.all(proxies.map((proxy) => proxy.cut()));
    await unknown(alice, bob, 'cut');
    await Promise.all(proxies.map((proxy) => proxy.heal()));
    receipts.push(await alice.settle(bob.options.user, 'cut'), ...(await send(alice, bob, 10, 'after')));
    await allDelivered([bob], receipts);
  });

  test('receipts and deliveries are delayed when the recipient’s gateway is cut from the bus', async () => {
    const { alice, bob } = await pair({ receipts: false });
    const proxy = cluster.system.proxy('gateway.nats', 0);
    const receipts = await send(alice, bob, 5);
    await bob.sawMessages(5);
    await proxy.cut();
    bob.receipt({ upTo: 5 });
    bob.receipts = true;
    receipts.push(...(await send(alice, bob, 20, 'cut')));
    await proxy.heal();
    await allDelivered([bob], receipts);
  });

  test('only deliveries are delayed when both offline services are dead during 200 sends', async () => {
    const { alice, bob } = await pair();
    const services = cluster.system.instances('offline');
    const receipts = await send(alice, bob, 10);
    await Promise.all(services.map((service) => service.kill9()));
    receipts.push(...(await send(alice, bob, 200, 'dead')));
    await Promise.all(services.map((service) => service.restart()));
    await allDelivered([bob], receipts);
  });

  test('no message is lost when the offline services are restarted in turn under load', async () => {
    const { alice, bob } = await pair();
    const flow = new Flow(alice, bob.options.user);
    for (const service of cluster.system.instances('offline')) {
      await flow.more(10);
      await service.restart();
    }
    await flow.more(10);
    await allDelivered([bob], await flow.stop());
  });
});

describe('the owner of an inbox lane', () => {
  let lanes: Lanes;
  beforeAll(async () => {
    lanes = await Lanes.of(cluster, 'offline');
  });
  afterAll(() => lanes?.close());
  // An instance that hands lanes over meanwhile would not be the owner when the fault is injected.
  beforeEach(() => lanes.sharedBy(...cluster.system.instances('offline')), 60_000);

  const ownerOf = (alice: Device, bob: Device, ...except: Service[]): Promise<Service> =>
    lanes.owner(alice.options.user, bob.options.user, ...except);

  test.each(['offline.before-commit', 'offline.after-commit', 'offline.after-delivery'])(
    'another owner takes over when one is killed at %s, and no entry is lost or numbered twice',
    async (failpoint) => {
      const { alice, bob } = await pair();
      const flow = new Flow(alice, bob.options.user);
      await flow.more(5);
      const owner = await ownerOf(alice, bob);
      await cluster.arm(owner, `${failpoint}=crash@5`);
      expect((await owner.exited).signal).toBe('SIGKILL');
      await flow.more(10);
      await allDelivered([bob], await flow.stop());
      await ownerOf(alice, bob, owner);
    },
  );

  test('an owner without an answer to its COMMIT loses no entry and numbers none twice', async () => {
    const { alice, bob } = await pair();
    const flow = new Flow(alice, bob.options.user);
    await flow.more(5);
    await cluster.arm(await ownerOf(alice, bob), 'offline.commit-outcome-lost=error@3x2');
    await flow.more(30);
    await allDelivered([bob], await flow.stop());
  });

  test('an owner that is frozen until another takes over has no effect after it resumes', async () => {
    const { alice, bob } = await pair();
    const flow = new Flow(alice, bob.options.user);
    await flow.more(5);
    const owner = await ownerOf(alice, bob);
    owner.freeze();
    try {
      await flow.more(10);
      await bob.until('delivery by another', () => bob.seen.length >= flow.receipts.length);
      await ownerOf(alice, bob, owner);
    } finally {
      owner.resume();
    }
    await flow.more(10);
    await owner.waitReady();
    await flow.more(10);
    await allDelivered([bob], await flow.stop());
  });
});
