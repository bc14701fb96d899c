import { eventually, type TcpProxy } from '@huizhi/dev-env';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import { HiddenTabs, type Tab } from './support/hidden-tab.js';
import { named, pipeline } from './support/senders.js';
import { TestCluster } from './support/test-cluster.js';

/** Long enough that a timer delayed to the next full minute misses many heartbeats. */
const HIDDEN_MS = 65_000;
const HEARTBEAT_MS = 2_000;
/** "A few seconds" in milliseconds on a busy machine; a throttled timer takes up to 60 s. */
const SOON_MS = 20_000;

interface Seen {
  state: string;
  visibility: string;
  /** The names of the closes. */
  closes: string[];
  texts: string[];
  /** The number of answers to heartbeats and logins. */
  answers: number;
  /** The longest interval in milliseconds between two firings of a one-second timer. */
  longestGapMs: number;
}

let cluster: TestCluster;
let tabs: HiddenTabs;
let proxy: TcpProxy;

beforeAll(async () => {
  tabs = await HiddenTabs.start();
  cluster = await TestCluster.start({
    // The page uses the first gateway through a proxy; the device uses the second.
    instances: { gateway: 2 },
    throughProxy: ['gateway.client'],
    env: { gateway: { HZ_ALLOWED_ORIGINS: tabs.origin } },
  });
  proxy = cluster.system.proxy('gateway.client', 0);
}, 120_000);

afterAll(async () => {
  await tabs?.stop();
  await cluster?.stop();
}, 60_000);

/** Opens a page whose client is logged in. */
async function start(heartbeatMs = HEARTBEAT_MS): Promise<{ tab: Tab; user: string }> {
  const user = cluster.name('alice');
  const tab = await tabs.open();
  const options = {
    address: `wss://${proxy.host}:${proxy.port}`,
    ...{ user, deviceID: 'tab', timings: { heartbeatMs } },
  };
  await tab.evaluate(`(async () => {
    const { HuizhiClient } = await import('/huizhi.js');
    const client = new HuizhiClient({ ...${JSON.stringify(options)}, token: () => ${JSON.stringify(await cluster.system.token(user))} });
    globalThis.client = client;
    globalThis.closes = [];
    globalThis.texts = [];
    globalThis.answers = 0;
    client.on('head', () => answers++);
    client.on('login', () => answers++);
    client.on('closed', (code, name) => closes.push(name));
    client.on('message', ({ content }) => texts.push(content.text));
    globalThis.longestGapMs = 0;
    globalThis.firedAt = performance.now();
    setInterval(() => {
      longestGapMs = Math.max(longestGapMs, performance.now() - firedAt);
      firedAt = performance.now();
    }, 1000);
    await client.connect();
  })()`);
  return { tab, user };
}

/** Sends these texts from another user. */
async function write(to: string, texts: string[]): Promise<void> {
  const device = await cluster.device(cluster.name('bob'), 'phone', { gateway: 1 });
  await pipeline(device, to, texts);
  await device.drop();
}

const look = (tab: Tab): Promise<Seen> =>
  tab.evaluate(
    `({ state: client.state, visibility: document.visibilityState, closes, texts, answers, longestGapMs: Math.max(longestGapMs, performance.now() - firedAt) })`,
  ) as Promise<Seen>;

const until = (tab: Tab, what: string, condition: (seen: Seen) => boolean): Promise<true> =>
  eventually(what, async () => (condition(await look(tab)) ? true : undefined), SOON_MS);

test('a hidden tab with throttled timers stays connected, and reconnects within seconds after a cut', async () => {
  const { tab, user } = await start();
  await tabs.open();
  await until(tab, 'the page to be hidden', ({ visibility }) => visibility === 'hidden');
  // The elapsed time itself is under test: the browser delays timers by up to a minute.
  await delay(HIDDEN_MS);
  await write(user, named('a', 5));
  await until(tab, 'messages in the hidden page', ({ texts }) => texts.length === 5);
  const hidden = await look(tab);
  expect(hidden).toMatchObject({ state: 'online', visibility: 'hidden', closes: [] });
  // Otherwise the timers were not throttled and the test would prove nothing.
  expect(hidden.longestGapMs).toBeGreaterThan(15_000);
  await proxy.cut();
  await proxy.heal();
  await write(user, named('b', 5));
  await until(tab, 'messages after the cut', ({ texts }) => texts.length === 10);
  expect((await look(tab)).closes).toEqual(['connectionLost']);
  expect((await look(tab)).texts).toEqual([...named('a', 5), ...named('b', 5)]);
}, 180_000);

test('a frozen page reconnects within seconds when it resumes, and receives the missed messages', async () => {
  const { tab, user } = await start();
  await tab.setLifecycle('frozen');
  await delay(4 * HEARTBEAT_MS);
  await write(user, named('c', 5));
  await tab.setLifecycle('active');
  await until(tab, 'messages in the page', ({ texts }) => texts.length === 5);
  // Chromium closes the WebSocket of a frozen page; the page learns of it when it resumes.
  const { closes, texts } = await look(tab);
  expect(closes.filter((name) => name !== 'connectionLost')).toEqual([]);
  expect(texts).toEqual(named('c', 5));
});

test('a page sends a heartbeat at once when it is shown and when its network changes', async () => {
  // Longer than the test, so that only events of the page cause a heartbeat.
  const { tab } = await start(600_000);
  await tabs.open();
  await until(tab, 'the page to be hidden', ({ visibility }) => visibility === 'hidden');
  const acts = [
    () => tab.show(),
    () => tab.setNetwork('offline'),
    () => tab.setNetwork('online'),
    () => tab.setLifecycle('frozen').then(() => tab.setLifecycle('active')),
  ];
  for (const act of acts) {
    // No heartbeat is sent within a second of the last received frame.
    await delay(1_500);
    const { answers } = await look(tab);
    await act();
    await until(tab, 'the answer to a heartbeat, or a new connection', (seen) => seen.answers > answers);
  }
});
