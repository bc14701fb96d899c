import { mkdtempSync, chmodSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { eventually } from '@huizhi/constellation';
import { Device } from './support/device.js';
import { World } from './support/world.js';

/** Nothing of a body or a token reaches a log, at the most talkative level, whatever is sent and whatever fails. */

jest.setTimeout(90_000);

/** What people write, and what proves who they are. */
const BODY = 'Zq7bodyXw9';
const TOKEN = 'Zq7tokenXw9';

let world: World;
let dataDir: string;

beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'huizhi-scrub-'));
  chmodSync(dataDir, 0o711);
  const env = { all: { LOG_LEVEL: 'debug' }, gateway: { LOGIN_ATTEMPTS: '1000' } };
  world = await World.start({ dataDir, postgres: 'own', env, throughProxy: ['message.postgres'] });
}, 120_000);
afterAll(async () => {
  await world?.stop();
  rmSync(dataDir, { recursive: true, force: true });
}, 60_000);

/** Every line any process wrote: services, PostgreSQL, NATS. What they have said by now is waited for: files are written behind. */
async function everyLog(): Promise<{ name: string; text: string }[]> {
  const { postgres, nats } = world.system;
  const last = [...world.services(), postgres!, nats!].map(({ logs }) => logs.at(-1) ?? '');
  return eventually('the last lines in the files', () => {
    const logs = logFiles();
    return last.every((line) => logs.some(({ text }) => text.includes(line))) ? logs : undefined;
  });
}

function logFiles(): { name: string; text: string }[] {
  const files = readdirSync(dataDir, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.log'));
  return files.map((name) => ({ name, text: readFileSync(join(dataDir, name), 'utf8') }));
}

const user = (device: Device): string => device.options.user;

/** Good and bad frames of all kinds, each with the mark where people's words are. */
function marked(to: string): string[] {
  const message = { messageType: 'normal', chatType: 'userChat', contenType: 'text', toUserID: to };
  const head = JSON.stringify({ ...message, clientMsgID: 'p' }).slice(0, -1);
  return [
    JSON.stringify({ ...message, clientMsgID: 'b1', content: { text: BODY } }),
    JSON.stringify({ ...message, clientMsgID: 'b2', contenType: 'picture', content: { [BODY]: { deep: [BODY] } } }),
    JSON.stringify({ ...message, clientMsgID: 'b1', content: { text: `${BODY} changed` } }),
    JSON.stringify({ ...message, clientMsgID: 'b3', toUserID: 'nobody-of-that-name', content: { text: BODY } }),
    JSON.stringify({ ...message, clientMsgID: 'b4', content: BODY }),
    JSON.stringify({ ...message, clientMsgID: 'b5', content: { text: [BODY] } }),
    JSON.stringify({ ...message, clientMsgID: 'b6', contenType: 'tip', content: { text: BODY } }),
    JSON.stringify({ ...message, clientMsgID: 'b7', content: { text: BODY }, sendTime: BODY.repeat(9) }),
    JSON.stringify({ messageType: 'createGroup', clientMsgID: 'b8', groupName: BODY, memberUserIDs: [to] }),
    JSON.stringify({ messageType: BODY, content: { text: BODY } }),
    JSON.stringify({ messageType: 'login', fromUserID: 'x', versionCode: 2, token: TOKEN }),
    JSON.stringify({ [BODY]: BODY }),
    `${head},"content":{"text":"${BODY}\\u0000"}}`,
    `${head},"content":{"text":"${BODY}\\ud800"}}`,
    `${head},"content":{"text":"${BODY}","n":1e999}}`,
    `${head},"content":{"__proto__":{"text":"${BODY}"}}}`,
    `${head},"content":{"text":["${BODY}",${'['.repeat(30)}${']'.repeat(30)}]}}`,
  ];
}

/** Each of these ends its connection. */
const deadly = [
  `{"content":{"text":"${BODY}"}`,
  `${BODY}`,
  `{"text":"${BODY}\xff"}`,
  `["${BODY}"]`,
  `{"${BODY}":${BODY}}`,
];

/** Tokens that are wrong in every way, as a client might send them. */
async function badLogins(): Promise<void> {
  const good = await world.system.token(`${TOKEN}-somebody`);
  const [header, payload] = good.split('.');
  for (const token of [
    TOKEN,
    `${header}.${payload}.${TOKEN}`,
    `${header}.${TOKEN}.x`,
    `${TOKEN}.a.b`,
    TOKEN.repeat(400),
  ]) {
    const device = await Device.connect(world.system.address, { user: 'mallory', deviceID: 'd', token });
    device.say({ messageType: 'login', fromUserID: 'mallory', versionCode: 2, token, content: { text: BODY } });
    await device.closed;
  }
}

test('of what is sent, refused, stored, delivered, or lost in a crash, no log holds a word', async () => {
  const alice = await world.device(world.name('scrub-a'));
  const bob = await world.device(world.name('scrub-b'));
  const tokens = [alice, bob].map(({ options }) => options.token);
  const frames = marked(user(bob));
  for (const line of frames) alice.raw(Buffer.from(`${line}\n`, 'latin1'));
  alice.say({ beatID: BODY });
  await alice.next({ beatID: BODY });
  await bob.sawMessages(3);
  alice.say({ messageType: 'history', requestID: 'h', chatType: 'userChat', toUserID: user(bob) });
  await alice.next({ requestID: 'h' });
  for (const bytes of deadly) {
    const device = await world.device(world.name('deadly'));
    device.raw(Buffer.from(`${bytes}\n`, 'latin1'));
    await device.closed;
  }
  await badLogins();

  // Then everything fails, in turn, with such a message under way.
  const failures: [Parameters<World['arm']>[0], string][] = [
    [world.system.gateway(), 'gateway.before-delivery-write=error@1'],
    [world.system.gateway(), 'gateway.before-cursor=error@1'],
    [world.system.message(), 'message.before-commit=error@1'],
    [world.system.message(), 'database.commit-answer-lost=error@1x1'],
    [world.system.offline(), 'offline.before-commit=error@1'],
  ];
  for (const [n, [service, failpoint]] of failures.entries()) {
    await world.arm(service, failpoint);
    await alice.settle(user(bob), `f${n}`, BODY);
  }
  const proxy = world.system.proxy('message.postgres');
  await proxy.cut();
  alice.text(user(bob), 'cut', BODY);
  expect(await alice.answer('cut')).toMatchObject({ temporary: true });
  await proxy.heal();
  await alice.settle(user(bob), 'cut', BODY);

  for (const [service, failpoint] of [
    [world.system.message(), 'message.after-commit=crash@1'],
    [world.system.offline(), 'offline.before-commit=crash@1'],
  ] as const) {
    await world.arm(service, failpoint);
    alice.text(user(bob), failpoint.replaceAll(/\W/g, '-'), BODY);
    await service.exited;
    await service.restart();
  }
  await alice.settle(user(bob), 'last', BODY);
  await bob.until('the last message', () => bob.seen.some(({ clientMsgID }) => clientMsgID === 'last'));
  await world.arm(world.system.gateway(), 'gateway.before-delivery-write=crash@1');
  alice.text(user(bob), 'gateway', BODY);
  await world.system.gateway().exited;

  const logs = await everyLog();
  const all = logs.map(({ text }) => text).join('\n');
  // That there is something to look at: all parts, and the failures.
  for (const name of ['gateway-1', 'message-1', 'offline-1', 'postgres', 'nats']) {
    expect([name, logs.some((log) => log.name.includes(name) && log.text.length > 0)]).toEqual([name, true]);
  }
  expect(all).toMatch(/"level":"debug"/);
  expect(all).toMatch(/"level":"error"/);
  const leaks = logs.flatMap(({ name, text }) =>
    text
      .split('\n')
      .filter((line) => [BODY, TOKEN, ...tokens.flatMap(parts)].some((mark) => line.includes(mark)))
      .map((line) => `${name}: ${line.slice(0, 300)}`),
  );
  expect(leaks).toEqual([]);
});

/** The parts of a token that prove something. */
const parts = (token: string): string[] => token.split('.').slice(1);
