import type { HuizhiClient, IndexedDbStore } from '@huizhi/client/browser';
import type { Delivery } from '@huizhi/protocol';
import type { TcpProxy } from '@huizhi/dev-env';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { Page } from 'playwright-core';
import { Browser } from './support/browser.js';
import { named, pipeline } from './support/senders.js';
import { TestCluster } from './support/test-cluster.js';

// Functions passed to `evaluate` run in the page.

interface Chat {
  client: HuizhiClient;
  store: IndexedDbStore;
}

interface PageGlobals {
  huizhi: { IndexedDbStore: typeof IndexedDbStore; HuizhiClient: typeof HuizhiClient };
  chat: Chat;
  shown: Delivery[];
  confirmed: number;
  closes: string[];
  receipts: Promise<{ clientMsgID?: string; seq: number }[]>;
}

interface Login {
  server: string;
  user: string;
  deviceID: string;
  token: string;
}

let cluster: TestCluster;
let browser: Browser;
let proxy: TcpProxy;
let page: Page;

beforeAll(async () => {
  browser = await Browser.start();
  cluster = await TestCluster.start({
    // Pages use the first gateway through a proxy; devices use the second.
    instances: { gateway: 2 },
    throughProxy: ['gateway.client'],
    env: { gateway: { HZ_ALLOWED_ORIGINS: browser.origin } },
  });
  proxy = cluster.system.proxy('gateway.client', 0);
}, 120_000);

afterEach(async () => {
  await proxy?.heal();
  await page?.close();
});

afterAll(async () => {
  await browser?.stop();
  await cluster?.stop();
}, 60_000);

async function loginOf(user: string, deviceID = 'browser'): Promise<Login> {
  const { host, port } = proxy;
  return { server: `wss://${host}:${port}`, user, deviceID, token: await cluster.system.token(user) };
}

/** Starts the documented module in a page and records its events. */
async function start(page: Page, login: Login): Promise<void> {
  await page.evaluate(async ({ token, ...login }) => {
    const globals = globalThis as unknown as PageGlobals;
    Object.assign(globals, { shown: [], confirmed: 0, closes: [] });
    const path = '/chat.js';
    const { startChat } = (await import(path)) as { startChat(options: object): Promise<Chat> };
    const show = (message: Delivery): void => void globals.shown.push(message);
    globals.chat = await startChat({ ...login, token: () => token, show });
    globals.chat.client.on('confirmed', (inboxSeq) => (globals.confirmed = inboxSeq));
    globals.chat.client.on('closed', (_code, name) => globals.closes.push(name));
  }, login);
}

/** Sends these texts from the page without waiting. */
function send(page: Page, to: string, ids: string[]): Promise<void> {
  return page.evaluate(
    ({ to, ids }) => {
      const globals = globalThis as unknown as PageGlobals;
      const sends = ids.map((id) => globals.chat.client.sendText({ user: to }, id, { clientMsgID: id }));
      globals.receipts = Promise.all(sends.map(({ receipt }) => receipt));
      globals.receipts.catch(() => undefined);
    },
    { to, ids },
  );
}

const seqsOf = (page: Page): Promise<number[]> =>
  page.evaluate(async () => (await (globalThis as unknown as PageGlobals).receipts).map(({ seq }) => seq));

const shownIn = (page: Page): Promise<string[]> =>
  page.evaluate(() => (globalThis as unknown as PageGlobals).shown.map(({ content }) => String(content.text)));

/** Resolves when the page has shown this many messages and their receipts are confirmed. */
async function sawMessages(page: Page, count: number): Promise<string[]> {
  await page.waitForFunction((count) => {
    const { shown, confirmed } = globalThis as unknown as PageGlobals;
    return shown.length >= count && confirmed >= Math.max(...shown.map(({ inboxSeq = 0 }) => inboxSeq));
  }, count);
  return shownIn(page);
}

/** The unsettled sends that another connection to the page's database reads, so they are on the disk. */
const keptIn = (page: Page, { user, deviceID }: Login): Promise<string[]> =>
  page.evaluate(async (name) => {
    const path = '/huizhi.js';
    const { IndexedDbStore } = (await import(path)) as PageGlobals['huizhi'];
    const store = await IndexedDbStore.open(name);
    const ids = store.unsettled.list().map(({ clientMsgID }) => clientMsgID);
    store.close();
    return ids;
  }, `huizhi ${user} ${deviceID}`);

describe('the SDK in a browser', () => {
  test('exchanges messages with a device on JSON lines, with receipts in both directions', async () => {
    const [alice, bob] = [cluster.name('alice'), cluster.name('bob')];
    const device = await cluster.device(bob, 'phone', { gateway: 1 });
    page = await browser.page();
    await start(page, await loginOf(alice));
    await send(page, bob, named('a', 20));
    expect(await seqsOf(page)).toEqual(Array.from({ length: 20 }, (_, n) => n + 1));
    await device.sawMessages(20);
    expect(device.seen.map(({ content }) => content.text)).toEqual(named('a', 20));
    await device.confirmed(device.seen.at(-1)!.inboxSeq);
    await pipeline(device, alice, named('b', 20));
    expect(await sawMessages(page, 20)).toEqual(named('b', 20));
  });

  test('resends unanswered messages after a reload, and each is stored once', async () => {
    const [alice, bob] = [cluster.name('alice'), cluster.name('bob')];
    const device = await cluster.device(bob, 'phone', { gateway: 1 });
    page = await browser.page();
    const login = await loginOf(alice);
    await start(page, login);
    await send(page, bob, ['first']);
    expect(await seqsOf(page)).toEqual([1]);
    // These messages are stored, but their answers never arrive.
    const swallowed = proxy.dropResponsesOnce(() => true, 'silence');
    await send(page, bob, named('a', 5));
    await swallowed;
    await device.sawMessages(6);
    // The next messages never arrive.
    proxy.blackhole();
    await send(page, bob, named('b', 5));
    // Transactions of a database run in turn: this read follows all pending writes.
    expect(await keptIn(page, login)).toEqual([...named('a', 5), ...named('b', 5)]);
    await page.reload();
    await proxy.heal();
    await start(page, login);
    const restored = await page.evaluate(async () => {
      const { restored } = (globalThis as unknown as PageGlobals).chat.client;
      return Promise.all(restored.map(async ({ clientMsgID, receipt }) => [clientMsgID, (await receipt).seq]));
    });
    expect(restored).toEqual([...named('a', 5), ...named('b', 5)].map((id, n) => [id, n + 2]));
    await device.sawMessages(11);
    expect(device.seen.map(({ content }) => content.text)).toEqual(['first', ...named('a', 5), ...named('b', 5)]);
    expect((await cluster.history(device, alice)).map(({ seq }) => seq)).toEqual(device.seen.map((_, n) => n + 1));
    expect(await keptIn(page, login)).toEqual([]);
  });

  test('reconnects after a cut without losing or duplicating a message in either direction', async () => {
    const [alice, bob] = [cluster.name('alice'), cluster.name('bob')];
    const device = await cluster.device(bob, 'phone', { gateway: 1 });
    page = await browser.page();
    await start(page, await loginOf(alice));
    await send(page, bob, ['first']);
    await device.sawMessages(1);
    await send(page, bob, named('a', 100));
    const answers = pipeline(device, alice, named('b', 100));
    await device.sawMessages(10);
    await proxy.cut();
    await proxy.heal();
    const seqs = await seqsOf(page);
    expect(new Set(seqs).size).toBe(100);
    expect(seqs).toEqual([...seqs].sort((a, b) => a - b));
    await answers;
    await device.sawMessages(101);
    expect(new Set(device.seen.map(({ content }) => content.text)).size).toBe(101);
    expect(device.messageIDs.size).toBe(101);
    expect(await sawMessages(page, 100)).toEqual(named('b', 100));
    const stored = await cluster.history(device, alice);
    expect(stored.map(({ seq }) => seq)).toEqual(Array.from({ length: 201 }, (_, n) => n + 1));
    // The page keeps the messages that it has shown, also after a reload.
    const conversationID = device.seen[0]!.conversationID;
    await page.reload();
    await start(page, await loginOf(alice));
    const kept = await page.evaluate(async (conversationID) => {
      const { store } = (globalThis as unknown as PageGlobals).chat;
      return (await store.page(conversationID, { limit: 500 })).map(({ content }) => content.text);
    }, conversationID);
    expect(kept).toEqual(named('b', 100));
    expect(await shownIn(page)).toEqual([]);
  });

  test('is refused when its page has a foreign origin', async () => {
    page = await browser.page(browser.foreignOrigin);
    const login = await loginOf(cluster.name('alice'));
    const ends = await page.evaluate(async ({ token, server, ...login }) => {
      const path = '/huizhi.js';
      const { HuizhiClient } = (await import(path)) as PageGlobals['huizhi'];
      const client = new HuizhiClient({ ...login, address: server, token: () => token });
      const heard: string[] = [];
      client.on('login', () => heard.push('login'));
      const ended = new Promise<void>((resolve) => {
        client.on('closed', (_code, name) => {
          heard.push(name);
          resolve();
        });
      });
      client.connect().catch(() => undefined);
      await ended;
      await client.close();
      return heard;
    }, login);
    expect(ends).toEqual(['connectFailed']);
  });

  test('closes the first tab as kicked when a second tab logs in with the same device', async () => {
    const login = await loginOf(cluster.name('alice'));
    page = await browser.page();
    await start(page, login);
    const second = await browser.page();
    await start(second, login);
    await page.waitForFunction(() => (globalThis as unknown as PageGlobals).chat.client.state === 'closed');
    expect(await page.evaluate(() => (globalThis as unknown as PageGlobals).closes)).toEqual(['kicked']);
    expect(await second.evaluate(() => (globalThis as unknown as PageGlobals).chat.client.state)).toBe('online');
    await second.close();
  });

  test('stores each message once, keeps the newest ones and drops them when the generation changes', async () => {
    page = await browser.page();
    const seen = await page.evaluate(async () => {
      const path = '/huizhi.js';
      const { IndexedDbStore } = (await import(path)) as PageGlobals['huizhi'];
      const message = (n: number): Delivery => ({
        ...{ messageType: 'normal', messageID: `${n}`, conversationID: n % 2 ? 'odd' : 'even', seq: n, inboxSeq: n },
        ...{ serverTime: '1', fromUserID: 'bob', chatType: 'userChat', contenType: 'text', content: { n } },
      });
      const range = (from: number, to: number): Delivery[] =>
        Array.from({ length: to - from + 1 }, (_, i) => message(from + i));
      const ids = (messages: Delivery[]): number[] => messages.map(({ seq }) => seq);
      const store = await IndexedDbStore.open('a store', { kept: 10 });
      const fresh = [
        ids(await store.saveMessages(range(1, 8))),
        ids(await store.saveMessages([message(8), message(9), message(9)])),
      ];
      const generations = [await store.generation()];
      await store.saveMessages(range(10, 14));
      await store.saveCursor(14);
      store.close();
      const again = await IndexedDbStore.open('a store', { kept: 10 });
      const kept = [
        ids(await again.page('even')),
        ids(await again.page('odd', { beforeSeq: 11, limit: 2 })),
        ids(await again.saveMessages(range(4, 5))),
      ];
      const cursors = [await again.cursor()];
      await again.reset('g2');
      generations.push(await again.generation());
      cursors.push(await again.cursor());
      const afterwards = ids(await again.saveMessages([message(14)]));
      again.close();
      return { fresh, kept, generations, cursors, afterwards };
    });
    expect(seen).toEqual({
      fresh: [[1, 2, 3, 4, 5, 6, 7, 8], [9]],
      // Messages 1 to 4 were the oldest and were dropped.
      kept: [[6, 8, 10, 12, 14], [7, 9], [4]],
      generations: [undefined, 'g2'],
      cursors: [14, 0],
      afterwards: [14],
    });
  });
});
