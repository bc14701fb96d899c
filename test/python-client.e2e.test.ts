import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { DevEnv, projectRoot } from '@huizhi/dev-env';
import { inboxHolds } from './support/inbox.js';

/** A client in another language, written from docs/protocol.md only, against the real system. Needs python3. */
const PYTHON = join(projectRoot(), 'test/clients/python');
const CLIENT = join(PYTHON, 'huizhi_client.py');
const FIXTURES = join(projectRoot(), 'libs/protocol/fixtures');

interface Event {
  event?: string;
  [field: string]: unknown;
}
interface Message {
  messageID: string;
  seq: number;
  inboxSeq: number;
  fromUserID: string;
  contenType: string;
  groupID?: string;
  clientMsgID?: string;
  content: { text?: string };
}
interface Run {
  code: number | null;
  events: Event[];
  errors: string;
}

type Listener = (event: Event) => void;

async function python(args: readonly string[], listener?: Listener, program = CLIENT): Promise<Run> {
  const child = spawn('python3', ['-B', program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const exit = once(child, 'close') as Promise<[number | null]>;
  const events: Event[] = [];
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  createInterface(child.stdout).on('line', (line) => {
    const event = JSON.parse(line) as Event;
    events.push(event);
    listener?.(event);
  });
  const [code] = await exit;
  return { code, events, errors };
}

jest.setTimeout(60_000);

let devEnv: DevEnv;
let ca: string;

beforeAll(async () => {
  devEnv = await DevEnv.start();
  ca = join(devEnv.dataDir, 'python-ca.pem');
  writeFileSync(ca, devEnv.address.ca);
}, 120_000);
afterAll(() => devEnv?.stop(), 60_000);

async function client(user: string, device: string, args: string[], listener?: Listener, mode = 'lines'): Promise<Run> {
  const { host, port } = devEnv.address;
  const token = await devEnv.token(user);
  const server = ['--host', host, '--port', String(port), '--ca', ca, '--mode', mode];
  return python([...server, '--user', user, '--token', token, '--device', device, 'conversation', ...args], listener);
}

/** Runs the client and expects success. */
async function talk(
  user: string,
  device: string,
  args: string[] = [],
  listener?: Listener,
  mode?: string,
): Promise<Event[]> {
  const { code, events, errors } = await client(user, device, args, listener, mode);
  expect({ code, errors }).toEqual({ code: 0, errors: '' });
  return events;
}

const all = (events: Event[], name: string) => events.filter(({ event }) => event === name);
const delivered = (events: Event[]) => all(events, 'delivered').map(({ message }) => message as Message);
const texts = (messages: Message[]) => messages.map(({ content }) => content.text);
const receipts = (events: Event[]) => all(events, 'settled').map(({ receipt }) => receipt as Record<string, unknown>);

/** The number of rows in all lists of a file of vectors. */
function rowsIn(file: string): number {
  const { about, ...lists } = JSON.parse(readFileSync(join(FIXTURES, file), 'utf8')) as Record<string, unknown[]>;
  expect(about).toEqual(expect.any(String));
  return Object.values(lists).reduce((sum, list) => sum + list.length, 0);
}

test('a codec written from docs/protocol.md alone passes all golden vectors', async () => {
  const page = join(projectRoot(), 'docs/protocol.md');
  const { code, events, errors } = await python([FIXTURES, page], undefined, join(PYTHON, 'huizhi_vectors.py'));
  const files = readdirSync(FIXTURES).filter((name) => name.endsWith('.json'));
  expect(events.filter((row) => row['differs'] !== undefined)).toEqual([]);
  expect(events).toEqual(files.sort().map((file) => ({ file, rows: rowsIn(file) })));
  expect({ code, errors }).toEqual({ code: 0, errors: '' });
});

test('the Python client sends, catches up in a batch, receipts it and does not receive it again', async () => {
  await talk('bob', 'tablet');
  const sent = receipts(
    await talk('alice', 'phone', ['--to', 'bob', '--send', '你好 😀', '--send', 'two', '--send', 'three']),
  );
  expect(sent).toMatchObject([1, 2, 3].map((seq) => ({ messageType: 'normalReceipt', seq })));

  await inboxHolds(devEnv, 'bob', 3);
  const caughtUp = await talk('bob', 'tablet', ['--expect', '3']);
  const messages = delivered(caughtUp);
  expect(all(caughtUp, 'delivered').every(({ via }) => via === 'batch')).toBe(true);
  expect(texts(messages)).toEqual(['你好 😀', 'two', 'three']);
  expect(messages.map(({ messageID, seq, fromUserID }) => ({ messageID, seq, fromUserID }))).toEqual(
    sent.map(({ messageID, seq }) => ({ messageID, seq, fromUserID: 'alice' })),
  );
  expect(all(caughtUp, 'confirmed').at(-1)).toMatchObject({ inboxSeq: messages.at(-1)?.inboxSeq });

  const again = await talk('bob', 'tablet', ['--to', 'alice', '--send', 'got them']);
  expect(delivered(again)).toEqual([]);
});

test('the Python client receives live messages while it is connected', async () => {
  await talk('carol', 'phone');
  await talk('dave', 'phone');
  let dave!: Promise<Event[]>;
  await new Promise<void>((resolve, reject) => {
    dave = talk('dave', 'phone', ['--expect', '5'], ({ event }) => event === 'login' && resolve());
    dave.catch(reject);
  });
  const five = ['1', '2', '3', '4', '5'];
  await talk('carol', 'phone', ['--to', 'dave', ...five.flatMap((text) => ['--send', text])]);
  const events = await dave;
  expect(texts(delivered(events))).toEqual(five);
  expect(all(events, 'delivered').map(({ via }) => via)).toContain('live');
});

test('the Python client receives unreceipted messages again in order after a lost connection', async () => {
  await talk('erin', 'phone');
  await talk('frank', 'phone', ['--to', 'erin', '--send', '1', '--send', '2', '--send', '3']);
  const events = await talk('erin', 'phone', ['--cut-after', '3', '--expect', '3']);
  expect(all(events, 'login')).toHaveLength(2);
  expect(texts(delivered(events))).toEqual(['1', '2', '3', '1', '2', '3']);
  expect(all(events, 'delivered').map((event) => event['new'])).toEqual([true, true, true, false, false, false]);
  expect(all(events, 'done')[0]?.['received']).toHaveLength(3);
});

test('Python clients of all four modes receive each other’s messages', async () => {
  const modes = { kim: 'base64', lee: 'hz', max: 'lines', ned: 'websocket' };
  for (const [user, mode] of Object.entries(modes)) await talk(user, 'phone', [], undefined, mode);
  const members = ['lee', 'max', 'ned'].flatMap((user) => ['--member', user]);
  const group = ['--create-group', 'modes', ...members, '--send', '你好 😀'];
  const made = receipts(await talk('kim', 'phone', group, undefined, modes.kim));
  const groupID = String(made[0]?.['groupID']);
  const say = async (user: keyof typeof modes, text: string, expects: number): Promise<(string | undefined)[]> => {
    const args = ['--expect', String(expects), '--group', groupID, '--send', text];
    return texts(delivered(await talk(user, 'phone', args, undefined, modes[user])));
  };
  const lee = await say('lee', 'two', 2);
  const max = await say('max', 'three', 3);
  const ned = await say('ned', 'four', 4);
  const kim = await talk('kim', 'phone', ['--expect', '3'], undefined, modes.kim);
  // The first message tells the members about the group.
  expect(lee.slice(1)).toEqual(['你好 😀']);
  expect(max.slice(1)).toEqual(['你好 😀', 'two']);
  expect(ned.slice(1)).toEqual(['你好 😀', 'two', 'three']);
  expect(texts(delivered(kim))).toEqual(['two', 'three', 'four']);
});

test.each(['lines', 'base64', 'hz', 'websocket'])(
  'the Python client carries ids of any script over %s',
  async (mode) => {
    const [alice, bob] = [`auth0|${mode}`, `张三 ${mode}`];
    await talk(bob, '平板', [], undefined, mode);
    const sent = receipts(await talk(alice, 'Ann’s "phone"', ['--to', bob, '--send', '你好'], undefined, mode));
    expect(sent).toMatchObject([{ messageType: 'normalReceipt', seq: 1 }]);
    const messages = delivered(await talk(bob, '平板', ['--expect', '1'], undefined, mode));
    expect(messages).toMatchObject([{ fromUserID: alice, content: { text: '你好' } }]);
  },
);

test('the Python client creates a group and writes to it; every member gets the tip first', async () => {
  for (const user of ['gina', 'hugo', 'ines']) await talk(user, 'phone');
  const made = receipts(
    await talk('gina', 'phone', [
      '--create-group',
      'team',
      '--member',
      'hugo',
      '--member',
      'ines',
      '--send',
      'welcome',
    ]),
  );
  expect(made).toMatchObject([{ seq: 1, groupID: expect.any(String) }, { seq: 2 }]);
  for (const user of ['hugo', 'ines']) {
    const messages = delivered(await talk(user, 'phone', ['--expect', '2']));
    expect(messages.map(({ seq, contenType }) => [seq, contenType])).toEqual([
      [1, 'tip'],
      [2, 'text'],
    ]);
    expect(messages[1]?.groupID).toBe(made[0]?.['groupID']);
  }
});

test('the Python client receives the reasons of refused sends and logins', async () => {
  const refused = await client('alice', 'phone', ['--to', 'nobody-at-all', '--send', 'anyone?']);
  expect(receipts(refused.events)).toMatchObject([{ messageType: 'invalidReceipt', code: 1201, name: 'notAllowed' }]);

  const { host, port } = devEnv.address;
  const expired = await devEnv.token('alice', { expiresIn: -60 });
  const server = ['--host', host, '--port', String(port), '--ca', ca, '--user', 'alice'];
  const late = await python([...server, '--token', expired, 'conversation']);
  expect(late).toMatchObject({ code: 1, errors: 'stopped: tokenExpired\n' });
  const forged = await python([...server, '--token', await devEnv.token('bob'), 'conversation']);
  expect(forged).toMatchObject({ code: 1, errors: 'stopped: badToken\n' });
});
