import { eventually } from '@huizhi/dev-env';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import type { Device } from './support/device.js';
import { Lanes } from './support/lanes.js';
import { TestCluster } from './support/test-cluster.js';

/** A device's own messages do not wait for it: neither heartbeats nor logins may count them. */

jest.setTimeout(120_000);

let cluster: TestCluster;
let lanes: Lanes;
beforeAll(async () => {
  cluster = await TestCluster.start({ instances: { offline: 2 }, env: { offline: { HZ_LEASE: '1s' } } });
  lanes = await Lanes.of(cluster, 'offline');
}, 120_000);
afterAll(async () => {
  await lanes?.close();
  await cluster?.stop();
}, 60_000);

let beats = 0;
async function headOf(device: Device): Promise<number> {
  const beatID = `beat-${++beats}`;
  device.say({ beatID });
  return Number((await device.next({ beatID })).inboxSeq);
}

/** The last entry that the device received, or the cursor of its login. */
const lastOf = (device: Device): number =>
  Math.max(Number(device.find({ messageType: 'loginReceipt' })?.inboxSeq), ...device.seen.map((seen) => seen.inboxSeq));

/** An event may arrive shortly after its receipt; until then the message counts as waiting. */
const nothingWaits = (device: Device): Promise<unknown> =>
  eventually('a heartbeat that names the last entry it got', async () => (await headOf(device)) === lastOf(device));

test('a device’s own messages do not count as waiting for it in heartbeats, at login and after a take-over', async () => {
  const [alice, bob] = [cluster.name('alice'), cluster.name('bob')];
  let phone = await cluster.device(alice, 'phone');
  const tablet = await cluster.device(alice, 'tablet');
  await cluster.known(bob);
  await lanes.sharedBy(...cluster.system.instances('offline'));

  const sends = async (word: string): Promise<void> => {
    const before = tablet.messageIDs.size;
    for (let n = 1; n <= 3; n++) await phone.settle(bob, `${word}-${n}`);
    await tablet.sawMessages(before + 3);
  };
  await sends('first');
  await nothingWaits(phone);

  await phone.drop();
  phone = await cluster.device(alice, 'phone');
  const login = phone.find({ messageType: 'loginReceipt' });
  expect(login).toMatchObject({ waiting: 0, head: login?.inboxSeq });
  await nothingWaits(phone);

  const owner = await lanes.owner(bob, alice);
  await owner.kill9();
  await lanes.owner(bob, alice, owner);
  await sends('second');
  await nothingWaits(phone);
  await phone.drop();
  phone = await cluster.device(alice, 'phone');
  expect(phone.find({ messageType: 'loginReceipt' })).toMatchObject({ waiting: 0 });
  await nothingWaits(phone);
  await owner.restart();
});
