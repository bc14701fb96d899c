import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { type Service, eventually } from '@huizhi/dev-env';
import type { Device } from './support/device.js';
import { Lanes } from './support/lanes.js';
import { named, pipeline, Stream, type Answer } from './support/senders.js';
import { TestCluster } from './support/test-cluster.js';

/** What a sender may rely on while the message service and its database fail. */

jest.setTimeout(90_000);

const gateway = { HZ_FRAMES_PER_SECOND: '1000', HZ_LOGIN_ATTEMPTS: '1000' };
const places = ['message.before-commit', 'message.after-commit', 'message.after-receipts'];

const user = (device: Device): string => device.options.user;

/** All answers that the sender received to its messages, repeats included. */
const told = ({ frames }: Device): string[] =>
  frames.flatMap((frame) =>
    Array.isArray(frame) || frame.clientMsgID === undefined ? [] : [String(frame.messageType)],
  );

/** Checks that no send was refused and that all were settled as stored. */
function noFailure(device: Device, answers: readonly Answer[]): void {
  expect(told(device)).not.toContain('invalidReceipt');
  expect(answers.map(({ messageType }) => messageType)).toEqual(answers.map(() => 'normalReceipt'));
}

/** Resends settled messages and checks that the receipts do not change. */
async function sameAgain(device: Device, to: string, receipts: readonly Answer[]): Promise<void> {
  const again = await pipeline(
    device,
    to,
    receipts.map(({ clientMsgID }) => String(clientMsgID)),
  );
  expect(again.map(({ messageID, seq }) => [messageID, seq])).toEqual(receipts.map((one) => [one.messageID, one.seq]));
}

describe('with two instances of every service', () => {
  let cluster: TestCluster;
  let lanes: Lanes;
  beforeAll(async () => {
    const instances = { gateway: 2, message: 2, offline: 2 };
    cluster = await TestCluster.start({
      instances,
      env: { gateway, message: { HZ_LEASE: '1s' } },
      throughProxy: ['message.postgres'],
    });
    lanes = await Lanes.of(cluster);
    await lanes.sharedBy(...cluster.system.instances('message'));
  }, 120_000);
  afterAll(async () => {
    await lanes?.close();
    await cluster?.stop();
  }, 60_000);

  async function pair(word: string): Promise<[Device, Device]> {
    const alice = await cluster.device(cluster.name(`${word}-a`));
    const bob = await cluster.device(cluster.name(`${word}-b`), 'phone', { gateway: 1 });
    return [alice, bob];
  }

  test.each(places)(
    'the other instance settles every send without a resend when the owner dies at %s',
    async (place) => {
      const [alice, bob] = await pair('dies');
      const owner = await lanes.owner(user(alice), user(bob));
      await cluster.arm(owner, `${place}=crash@1`);
      const ids = named('m', 10);
      for (const id of ids) alice.text(user(bob), id);
      const dead = owner.exited;
      const receipts = await Promise.all(ids.map((id) => alice.answer(id)));
      await dead;
      noFailure(alice, receipts);
      expect(receipts.map(({ seq }) => seq)).toEqual(ids.map((_, n) => n + 1));
      expect(told(alice)).toHaveLength(ids.length);
      // There was no resend: the messages reach the recipient without one, even when the events on the bus were lost.
      await bob.sawMessages(ids.length);
      await owner.restart();
      await sameAgain(alice, user(bob), receipts);
      await cluster.nothingLost(alice, bob, receipts);
      await lanes.haveNoHoles();
      await lanes.sharedBy(...cluster.system.instances('message'));
    },
  );

  /**
   * The number of unknown commits. The tests repeat sends until one is hit, because lane keeping commits on the same
   * connection.
   */
  const unknowns = (owner: Service): number => owner.logs.filter((line) => line.includes('"commit.unknown"')).length;

  test('stored messages are found by client id, and none is stored twice, when the answer to COMMIT is lost', async () => {
    const [alice, bob] = await pair('unknown');
    const owner = await lanes.owner(user(alice), user(bob));
    const before = unknowns(owner);
    const receipts: Answer[] = [];
    // A transaction of the lane keeper may hit the failpoint instead.
    for (let n = 0; unknowns(owner) === before; n++) {
      expect(n).toBeLessThan(20);
      await cluster.arm(owner, 'database.commit-answer-lost=error@1x1');
      receipts.push(...(await pipeline(alice, user(bob), named(`try${n}-`, 5))));
    }
    noFailure(alice, receipts);
    await sameAgain(alice, user(bob), receipts);
    await cluster.nothingLost(alice, bob, receipts);
    await lanes.haveNoHoles();
  });

  test.each(['reset', 'silence'] as const)(
    'no message is stored twice when the network drops the answer to COMMIT, then %s',
    async (then) => {
      const [alice, bob] = await pair('eaten');
      const owner = await lanes.owner(user(alice), user(bob));
      const proxy = cluster.system.proxy('message.postgres', cluster.system.instances('message').indexOf(owner));
      const before = unknowns(owner);
      // The result column of the statement that is the transaction.
      const eaten = proxy.dropResponsesOnce('fenced\0', then);
      const receipts = await pipeline(alice, user(bob), named('eaten-', 5));
      await eaten;
      await eventually('the unknown outcome', () => unknowns(owner) > before);
      noFailure(alice, receipts);
      await sameAgain(alice, user(bob), receipts);
      await cluster.nothingLost(alice, bob, receipts);
      await lanes.haveNoHoles();
    },
  );

  test.each(['cut', 'reset'] as const)(
    'each message is stored once when the database connection fails under load (%s)',
    async (how) => {
      const [alice, bob] = await pair('flow');
      const proxies = [0, 1].map((i) => cluster.system.proxy('message.postgres', i));
      const stream = new Stream(alice, user(bob));
      for (let round = 1; round <= 3; round++) {
        const reached = stream.settled + 50;
        await eventually('more messages', () => stream.settled >= reached);
        for (const proxy of proxies) await proxy[how]();
        await Promise.all(proxies.map((proxy) => proxy.heal()));
      }
      const receipts = await stream.stop();
      noFailure(alice, receipts);
      expect(receipts.map(({ seq }) => seq)).toEqual(receipts.map((_, n) => n + 1));
      await cluster.nothingLost(alice, bob, receipts);
      await lanes.haveNoHoles();
    },
  );
});

describe('with one instance of every service and its own database', () => {
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await TestCluster.start({ env: { gateway }, postgres: 'own' });
  }, 120_000);
  afterAll(() => cluster?.stop(), 60_000);

  async function pair(word: string): Promise<[Device, Device]> {
    return [await cluster.device(cluster.name(`${word}-a`)), await cluster.device(cluster.name(`${word}-b`))];
  }

  test.each(places)('every send is settled as stored when the only instance dies at %s and restarts', async (place) => {
    const [alice, bob] = await pair('alone');
    const service = cluster.system.message();
    await cluster.arm(service, `${place}=crash@1`);
    const ids = named('m', 10);
    for (const id of ids) alice.text(user(bob), id);
    await service.exited;
    await service.restart();
    const receipts = await Promise.all(ids.map((id) => alice.answer(id)));
    noFailure(alice, receipts);
    expect(receipts.map(({ seq }) => seq)).toEqual(ids.map((_, n) => n + 1));
    await bob.sawMessages(ids.length);
    await sameAgain(alice, user(bob), receipts);
    await cluster.nothingLost(alice, bob, receipts);
  });

  test.each([
    ['is stopped', () => cluster.system.postgres!.stop()],
    ['is killed', () => cluster.system.postgres!.kill9()],
  ])(
    'sends get a temporary error at once, and no receipted message is lost, when PostgreSQL %s under load',
    async (_how, end) => {
      const [alice, bob] = await pair('flows');
      const [carol, dave] = await pair('fast');
      const stream = new Stream(alice, user(bob), 's', 20);
      await eventually('messages to flow', () => stream.settled >= 60);
      await end();
      carol.text(user(dave), 'fast');
      // The message service itself answers; a gateway that times out after half a minute would answer `unknown`.
      expect(await carol.answer('fast')).toMatchObject({ messageType: 'error', temporary: true, name: 'unavailable' });
      await cluster.system.postgres!.restart();
      const settled = await carol.settle(user(dave), 'fast');
      const reached = stream.settled + 40;
      await eventually('messages to flow again', () => stream.settled >= reached);
      const receipts = await stream.stop();
      noFailure(alice, receipts);
      noFailure(carol, [settled]);
      expect(receipts.map(({ seq }) => seq)).toEqual(receipts.map((_, n) => n + 1));
      await cluster.nothingLost(alice, bob, receipts);
      await cluster.nothingLost(carol, dave, [settled]);
    },
  );
});
