import { projectRoot, type TcpProxy } from '@huizhi/dev-env';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Device } from './support/device.js';
import { Terminal, type Shown } from './support/terminal.js';
import { TestCluster } from './support/test-cluster.js';

/** Runs `hz chat` as users do: in a terminal, and in a pipe. */
const HZ = join(projectRoot(), 'dist/apps/cli/src/main.js');
const CTRL_C = '\u0003';
const CTRL_D = '\u0004';
const ENTER = '\r';

let cluster: TestCluster;
let proxy: TcpProxy;
const terminals: Terminal[] = [];
let sent = 0;

beforeAll(async () => {
  // The chats use the first gateway through a proxy; devices use the second.
  cluster = await TestCluster.start({ instances: { gateway: 2 }, throughProxy: ['gateway.client'] });
  proxy = cluster.system.proxy('gateway.client', 0);
}, 120_000);

afterEach(async () => {
  for (const terminal of terminals.splice(0)) terminal.stop();
  await proxy?.heal();
});

afterAll(() => cluster?.stop(), 60_000);

const command = (user: string, ...more: string[]): string[] => [
  ...[process.execPath, HZ, 'chat', user, '--data', cluster.system.dataDir],
  ...['--host', proxy.host, '--port', String(proxy.port), ...more],
];

/** Starts a chat that is logged in and writes to an existing user. */
async function chat(
  columns = 80,
  rows = 24,
): Promise<{ me: string; peer: string; terminal: Terminal; device: Device }> {
  const [me, peer] = [cluster.name('a'), cluster.name('b')];
  const device = await cluster.device(peer, 'phone', { gateway: 1 });
  const terminal = Terminal.run(command(me, '--to', peer), columns, rows);
  terminals.push(terminal);
  await terminal.row(columns < 40 ? /^-- / : new RegExp(`^-- .*online.*to ${peer}`));
  return { me, peer, terminal, device };
}

/** Sends a text from the device and waits until it is stored. */
async function write(device: Device, to: string, text: string): Promise<void> {
  const clientMsgID = `c${++sent}`;
  const content = { text };
  device.say({ messageType: 'normal', chatType: 'userChat', toUserID: to, contenType: 'text', clientMsgID, content });
  await device.next({ messageType: 'normalReceipt', clientMsgID });
}

const last = ({ lines }: Shown): string => lines.at(-1) ?? '';
const count = ({ lines }: Shown, pattern: RegExp): number => lines.filter((line) => pattern.test(line)).length;

describe('hz chat in a terminal', () => {
  test('keeps the typed line while messages arrive, and marks its own message when it is stored', async () => {
    const { me, peer, terminal, device } = await chat();
    terminal.type('half a 中文 line');
    await terminal.until('the input', (shown) => last(shown) === '> half a 中文 line');
    await write(device, me, 'hello 你好 👋');
    await write(device, me, 'again');
    const shown = await terminal.until('both messages', (each) => count(each, new RegExp(`${peer}: `)) === 2);
    expect(count(shown, /^\d\d:\d\d:\d\d {3}\S+: hello 你好 👋$/)).toBe(1);
    expect(last(shown)).toBe('> half a 中文 line');
    expect(shown.column).toBe('> half a '.length + 4 + ' line'.length);
    terminal.type(ENTER);
    await terminal.row(new RegExp(`^\\d\\d:\\d\\d:\\d\\d ✓ you > ${peer}: half a 中文 line$`));
    await device.until('the message', () => device.seen.some(({ content }) => content.text === 'half a 中文 line'));
    expect((await terminal.until('an empty input', (each) => last(each) === '>')).broken).toBe(0);
  });

  test('withholds receipts after /away, so that messages are redelivered, also after a cut, until /back', async () => {
    const { me, terminal, device } = await chat();
    terminal.type(`/away${ENTER}`);
    await terminal.row(/^-- .*away/);
    await write(device, me, 'unread');
    await terminal.row(/○ .*: unread {2}\(not receipted, will come again/);
    terminal.type(`/cut${ENTER}`);
    await terminal.until('the message a second time', ({ lines }) => /came \d times/.test(lines.join(' ')));
    terminal.type(`/back${ENTER}`);
    const shown = await terminal.until('the receipt', (each) => count(each, /^\d\d:\d\d:\d\d {3}\S+: unread$/) === 1);
    expect(count(shown, /unread/)).toBe(1);
    await terminal.until('nothing to be receipted', (each) => count(each, /not receipted|away/) === 0);
  });

  test('receives messages with withheld receipts again at the next start', async () => {
    const { me, peer, terminal, device } = await chat();
    terminal.type(`/away${ENTER}`);
    await terminal.row(/^-- .*away/);
    await write(device, me, 'for later');
    await terminal.row(/○ .*: for later/);
    terminal.type(CTRL_D);
    expect((await terminal.until('the end', ({ code }) => code !== undefined)).code).toBe(0);
    const again = Terminal.run(command(me));
    terminals.push(again);
    await again.row(new RegExp(`${peer}: for later$`));
  });

  test('shows one status line while the server is unreachable, and sends the typed lines afterwards', async () => {
    const { peer, terminal, device } = await chat(120);
    await proxy.cut();
    terminal.type(`written meanwhile${ENTER}`);
    await terminal.row(/^\d\d:\d\d:\d\d … you > .*: written meanwhile$/);
    const shown = await terminal.row(/^-- .*reconnecting \(.+\).*1 not stored yet/);
    expect(count(shown, /reconnecting/)).toBe(1);
    await proxy.heal();
    await terminal.row(new RegExp(`✓ you > ${peer}: written meanwhile$`));
    const healed = await terminal.row(/^-- .*online/);
    expect(count(healed, /reconnecting|written meanwhile/)).toBe(1);
    await device.until('the message', () => device.seen.length === 1);
  });

  test('shows the history of a conversation at the start, each message once', async () => {
    const { me, peer, terminal, device } = await chat();
    terminal.type(`first${ENTER}`);
    await terminal.row(/✓ .*first$/);
    await write(device, me, 'second');
    await terminal.row(/second$/);
    terminal.type(`/quit${ENTER}`);
    await terminal.until('the end', ({ code }) => code === 0);
    const again = Terminal.run(command(me, '--to', peer));
    terminals.push(again);
    const shown = await again.row(new RegExp(`${peer}: second$`));
    expect(count(shown, /before, with/)).toBe(1);
    expect(count(shown, /✓ you > .*: first$/)).toBe(1);
    again.type(`/history${ENTER}third${ENTER}`);
    expect(count(await again.row(/✓ .*third$/), /first|second/)).toBe(2);
  });

  test('shows the frames without tokens after /frames', async () => {
    const { terminal } = await chat(300);
    terminal.type(`/frames${ENTER}seen${ENTER}`);
    await terminal.row(/^\d\d:\d\d:\d\d >> \{"messageType":"normal".*"text":"seen"/);
    await terminal.row(/^\d\d:\d\d:\d\d << \{"messageType":"normalReceipt"/);
    terminal.type(`/cut${ENTER}`);
    const shown = await terminal.row(/>> \{"messageType":"login"/);
    expect(count(shown, /"token":"\*\*\*"/)).toBe(1);
  });

  test('draws correctly in a narrow window with wide characters, emoji and long pasted text', async () => {
    const { me, terminal, device } = await chat(24, 12);
    const pasted = '中文 👋 👨‍👩‍👧 lorem-ipsum-dolor '.repeat(150);
    terminal.paste(`${pasted}\nsecond line`);
    const typed = await terminal.until('the end of the input', (shown) => last(shown).endsWith('line'));
    expect(typed.broken).toBe(0);
    await write(device, me, '你好你好你好你好你好你好你好你好 👋👋👋👋👋👋👋👋👋👋 end');
    await terminal.row(/end$/);
    terminal.type(ENTER);
    await device.until('the message', () => device.seen.length === 1);
    expect(device.seen[0]?.content.text).toBe(`${pasted}\nsecond line`);
    await terminal.until('an empty input', (shown) => last(shown) === '>');
    terminal.resize(60, 20);
    terminal.type('after');
    const shown = await terminal.until('the input', (each) => last(each) === '> after');
    expect(shown.broken).toBe(0);
  });

  test('prints help, and an explanation for an unknown or wrong command', async () => {
    const { terminal } = await chat();
    terminal.type(`/help${ENTER}/nonsense${ENTER}/cut x${ENTER}`);
    for (const pattern of [/^\/away +withhold/, /^There is no \/nonsense/, /^So: \/cut/]) await terminal.row(pattern);
  });

  test.each([
    ['Ctrl-C', CTRL_C],
    ['Ctrl-D', CTRL_D],
    ['/quit', `/quit${ENTER}`],
  ])('ends with code 0 and a clean screen at %s', async (_, keys) => {
    const { terminal } = await chat();
    terminal.type(`said${ENTER}`);
    await terminal.row(/✓ .*said$/);
    terminal.type(keys);
    const { lines } = await terminal.until('the end', ({ code }) => code === 0);
    expect(lines.filter((line) => /^(-- |>)/.test(line))).toEqual([]);
    expect(lines.at(-1)).toBe('');
  });
});

test('hz chat in a pipe prints a line per message and executes its input line by line', async () => {
  const [me, peer] = [cluster.name('a'), cluster.name('b')];
  await cluster.known(peer);
  const [program = '', ...args] = command(me);
  const child = spawn(program, args);
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stdin.end(`/to ${peer}\nfrom a pipe\n/to unknown-${process.pid}\nto unknown\n`);
  const [code] = (await once(child, 'close')) as [number];
  expect(code).toBe(0);
  expect(out).toMatch(/^-- online$/m);
  expect(out).toMatch(new RegExp(`^\\d\\d:\\d\\d:\\d\\d ✓ you > ${peer}: from a pipe$`, 'm'));
  expect(out).toMatch(/^\d\d:\d\d:\d\d ✗ you > unknown-\d+: to unknown {2}\(.*notAllowed/m);
  expect(out).not.toContain('\u001b');
});
