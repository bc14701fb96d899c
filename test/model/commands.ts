import fc from 'fast-check';
import type { Device } from './device.js';
import { next } from './faulty-bus.js';
import type { ModelScenario, Target } from './model-scenario.js';
import type { SendSpec } from './facts.js';
import type { Spec } from './spec.js';

export type Step = fc.AsyncCommand<Spec, ModelScenario>;

/** A command with its arguments as plain data, so that a counterexample is readable. */
function step<A extends object>(
  name: string,
  args: fc.Arbitrary<A>,
  run: (scenario: ModelScenario, args: A) => Promise<unknown> | void,
) {
  return args.map((given): Step => ({
    check: () => true,
    run: async (_, scenario) => {
      await run(scenario, given);
      scenario.verify();
    },
    toString: () => `${name}(${JSON.stringify(given).slice(1, -1)})`,
  }));
}

const which = fc.nat(7);
const gateway = fc.nat(1);
const owner = fc.constantFrom('message' as const, 'offline' as const);
const speaker = fc.constantFrom('gateway0', 'gateway1', 'message', 'offline');
const of = <T>(all: readonly T[], n: number): T | undefined => all[n % Math.max(1, all.length)];

const here = (scenario: ModelScenario): Device[] => scenario.devices.filter((device) => device.link !== undefined);

const targets: Target[] = [0, 1, 2, 'group', 'nobody', 'noGroup'];
const target = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom<Target>(0, 1, 2) },
  { weight: 4, arbitrary: fc.constant<Target>('group') },
  { weight: 1, arbitrary: fc.constantFrom(...targets) },
);

const send = step(
  'send',
  fc.record({
    from: which,
    to: target,
    count: fc.integer({ min: 1, max: 4 }),
    withID: fc.boolean(),
    wait: fc.boolean(),
  }),
  async (scenario, { from, to, count, withID, wait }) => {
    const device = of(scenario.devices, from)!;
    const sends = Array.from({ length: count }, () => scenario.compose(device, to, withID));
    device.send(...sends);
    if (wait && device.link) await answered(scenario, device, sends);
  },
);

const answered = (scenario: ModelScenario, device: Device, sends: readonly SendSpec[]): Promise<void> =>
  scenario.until('an answer', () => !device.link || sends.every((one) => one.told !== 'nothing'));

/** Resends a message from its device or from another device of its user. */
const resend = step('resend', fc.record({ what: which, by: which }), (scenario, { what, by }) => {
  const one = of(scenario.spec.sends, what);
  if (!one) return;
  const able = scenario.devices.filter(({ spec }) =>
    one.clientMsgID ? spec.user === one.user : one.devices.has(spec),
  );
  const device = of(able, by)!;
  one.devices.add(device.spec);
  device.send(one);
});

const conflict = step('conflict', fc.record({ what: which }), async (scenario, { what }) => {
  const one = of(
    scenario.spec.sends.filter((sent) => sent.clientMsgID !== undefined && sent.conversation !== scenario.group),
    what,
  );
  const device = scenario.devices.find(({ spec }) => one?.devices.has(spec));
  if (!one || !device) return;
  const other = scenario.compose(device, 'nobody', true, one);
  device.send(other);
  if (device.link) await answered(scenario, device, [other]);
});

const createGroup = step(
  'createGroup',
  fc.record({ by: which, others: fc.subarray([0, 1, 2], { minLength: 1 }) }),
  async (scenario, { by, others }) => {
    const device = of(here(scenario), by);
    if (!device || scenario.group) return;
    const creation = scenario.composeGroup(
      device,
      others.map((n) => scenario.spec.users[n]!),
    );
    device.send(creation);
    while (creation.told === 'nothing') {
      await answered(scenario, device, [creation]);
      if (!device.link) await device.login(0);
    }
  },
);

/** Receipts deliveries of this connection: all, up to one, a single one, or all in reverse order; possibly twice. */
const receipt = step(
  'receipt',
  fc.record({ by: which, how: fc.constantFrom('all', 'upTo', 'one', 'backwards'), at: which, twice: fc.boolean() }),
  (scenario, { by, how, at, twice }) => {
    const device = of(here(scenario), by);
    const link = device?.link;
    if (!device || !link) return;
    const entries = [...link.delivered];
    const chosen = of(entries, at);
    if (!chosen) return;
    const upTo = how === 'all' ? link.last : chosen[1];
    const [covered, frame] =
      how === 'one'
        ? [[chosen[1]], { messageID: chosen[0] }]
        : how === 'backwards'
          ? [entries.map(([, seq]) => seq), { messageIDs: entries.map(([id]) => id).reverse() }]
          : [entries.map(([, seq]) => seq).filter((seq) => seq <= upTo), { upTo }];
    scenario.spec.receipts(link, covered);
    device.receipt(frame);
    if (twice) device.receipt(frame);
  },
);

/** Receipts for messages that were not delivered to the device. They must have no effect. */
const foreignReceipt = step(
  'foreignReceipt',
  fc.record({ by: which, what: fc.constantFrom('others', 'unknown', 'own', 'beyond', 'beyond'), at: which }),
  async (scenario, { by, what, at }) => {
    const device = of(here(scenario), by);
    if (!device?.link) return;
    const { user } = device.spec;
    if (what === 'beyond') {
      // Entries in transit would count as delivered. With a single device, no other device adds entries.
      if (scenario.spec.devices.filter((one) => one.user === user).length > 1) return;
      await scenario.quiet();
      if (!device.link || !device.isSettled || scenario.spec.lacking(device.spec).length > 0) return;
      // Entries of an earlier connection that are redelivered on this one would count too.
      if (!device.hasAllAgain) return;
      if (scenario.devices.some((other) => !other.isSettled)) return;
      scenario.spec.receipts(device.link, device.link.delivered.values());
      return device.receipt({ upTo: 1_000_000 });
    }
    const foreign = scenario.spec.sends.filter((one) =>
      what === 'own' ? one.devices.has(device.spec) && one.devices.size === 1 : !one.conversation.users.includes(user),
    );
    const messageID = what === 'unknown' ? '9007199254739968' : of(foreign, at)?.place?.messageID;
    if (messageID) device.receipt({ messageID });
  },
);

const reconnect = step(
  'reconnect',
  fc.record({ who: which, gateway, abrupt: fc.boolean() }),
  async (scenario, { who, gateway: to, abrupt }) => {
    const device = of(scenario.devices, who)!;
    device.hangUp(abrupt);
    await device.login(to);
  },
);

const hangUp = step('hangUp', fc.record({ who: which, abrupt: fc.boolean() }), (scenario, { who, abrupt }) =>
  of(scenario.devices, who)!.hangUp(abrupt),
);

/** A new login of the same device while its old connection is open. */
const takeOver = step('takeOver', fc.record({ who: which, gateway }), (scenario, { who, gateway: to }) =>
  of(scenario.devices, who)!.login(to),
);

const newDevice = step(
  'newDevice',
  fc.record({ user: fc.nat(2), gateway }),
  async (scenario, { user: n, gateway: to }) => {
    const user = scenario.spec.users[n]!;
    const count = scenario.spec.devices.filter((device) => device.user === user).length;
    if (count < 2) await scenario.addDevice(user, `device${count}`).login(to);
  },
);

const readHistory = step('readHistory', fc.record({ by: which, what: which }), async (scenario, { by, what }) => {
  const device = of(here(scenario), by);
  const conversation = of(
    [...scenario.spec.conversations.values()].filter((one) => one.users.length > 0),
    what,
  );
  if (!device || !conversation) return;
  const { user } = device.spec;
  if (!conversation.users.includes(user)) {
    if (conversation.groupID === undefined) return;
    const page = await device.history(scenario.addressOf(user, conversation));
    if (page && page !== 'notAllowed') scenario.spec.violations.push(`${user} read a group that it is not a member of`);
    return;
  }
  // The page need not contain messages that became known after the request.
  const known = new Map(conversation.bySeq);
  const page = await device.history(scenario.addressOf(user, conversation));
  if (page && page !== 'notAllowed') scenario.spec.history(conversation, user, page, known.keys());
});

const quiet = step('quiet', fc.constant({}), (scenario) => scenario.quiet());

/** The next messages that this service publishes are lost, duplicated or delayed. */
const badBus = step(
  'badBus',
  fc.record({
    who: speaker,
    count: fc.integer({ min: 1, max: 3 }),
    how: fc.constantFrom('lose' as const, 'double' as const, { delayMs: 15 }),
  }),
  (scenario, { who, count, how }) => next(busOf(scenario, who), count, how),
);

const dropBus = step('dropBus', fc.record({ who: speaker }), async (scenario, { who }) => {
  const bus = busOf(scenario, who);
  bus.drop();
  await scenario.pause(5);
  bus.restore();
});

function busOf({ cluster }: ModelScenario, who: string) {
  if (who === 'message' || who === 'offline') return cluster[who].bus;
  return cluster.gateways[who === 'gateway0' ? 0 : 1]!.bus;
}

/** The next transaction of the writer fails. */
const badCommit = step(
  'badCommit',
  fc.record({ who: owner, how: fc.constantFrom('refuse' as const, 'rollBack' as const, 'unheard' as const) }),
  ({ cluster }, { who, how }) => void cluster[who].endings.list.push(how),
);

const terminate = step('terminate', fc.record({ who: owner }), ({ cluster }, { who }) => cluster.terminate(who));

const crash = step(
  'crash',
  fc.record({ who: owner, sameName: fc.integer({ min: 0, max: 15 }).map((n) => n > 0) }),
  ({ cluster }, { who, sameName }) => cluster.crash(who, sameName),
);

const replace = step('replace', fc.record({ who: owner }), ({ cluster }, { who }) => cluster.replace(who));

const crashGateway = step('crashGateway', fc.record({ gateway }), async (scenario, { gateway: n }) => {
  const lost = scenario.devices.filter((device) => device.gateway === n);
  for (const device of lost) device.hangUp(true);
  await scenario.cluster.crashGateway(n);
  await Promise.all(lost.map((device) => device.login(n)));
});

const drain = step('drain', fc.record({ gateway }), async (scenario, { gateway: n }) => {
  const leaving = scenario.devices.filter((device) => device.gateway === n);
  const drained = scenario.cluster.drainGateway(n);
  await scenario.until('the drain', () => leaving.every((device) => device.gateway !== n));
  await Promise.all(leaving.filter((device) => !device.link).map((device) => device.login(1 - n)));
  await drained;
});

const usual: [number, fc.Arbitrary<Step>][] = [
  [30, send],
  [6, resend],
  [4, conflict],
  [6, createGroup],
  [14, receipt],
  [6, foreignReceipt],
  [6, reconnect],
  [4, hangUp],
  [4, takeOver],
  [6, newDevice],
  [3, readHistory],
  [4, quiet],
];

/** Each of these costs between 20 and 500 ms of waiting, so not every run has them. */
const trouble: [number, fc.Arbitrary<Step>][] = [
  [6, badBus],
  [2, dropBus],
  [6, badCommit],
  [3, terminate],
  [4, crash],
  [1, replace],
  [2, crashGateway],
  [1, drain],
];

const weighted = (list: [number, fc.Arbitrary<Step>][]): fc.Arbitrary<Step> =>
  fc.oneof(...list.map(([weight, arbitrary]) => ({ weight, arbitrary })));

/** @param share percentage of commands that inject a fault */
export const steps = (share: number): fc.Arbitrary<Iterable<Step>> =>
  fc.commands(
    [fc.oneof({ weight: 100 - share, arbitrary: weighted(usual) }, { weight: share, arbitrary: weighted(trouble) })],
    { maxCommands: 16, size: 'max' },
  ) as fc.Arbitrary<Iterable<Step>>;
