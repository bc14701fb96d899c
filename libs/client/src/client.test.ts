import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ClientClosedError, LoginRefusedError, RequestTimeoutError, SendUnknownError } from './errors.js';
import { MemoryStore } from './memory-store.js';
import { delivery } from './testing/fake-server.js';
import { Harness, until } from './testing/harness.js';

let harness: Harness;

beforeEach(async () => {
  harness = await Harness.start();
});

afterEach(() => harness.stop());

describe('connecting', () => {
  test('logs in with what the token callback gives, and says so', async () => {
    const client = harness.client({ token: async () => 'fresh' });
    const states: string[] = [];
    client.on('state', (state) => states.push(state));
    const online = client.connect();
    const login = await (await harness.server.peer()).login();
    await online;
    expect(login).toMatchObject({
      messageType: 'login',
      fromUserID: 'alice',
      deviceID: 'phone',
      token: 'fresh',
      versionCode: 2,
    });
    await client.close();
    expect(states).toEqual(['connecting', 'loggingIn', 'online', 'closed']);
  });

  test('comes back by itself and asks for a token each time', async () => {
    let tokens = 0;
    const [client, first] = await harness.online({ token: () => `token-${++tokens}` });
    const ends: unknown[] = [];
    client.on('closed', (...end) => ends.push(end));
    first.cut();
    const second = await harness.server.peer();
    expect(await second.login()).toMatchObject({ token: 'token-2' });
    await until('the second login', () => client.state === 'online');
    expect(ends).toEqual([[0, 'connectionLost', true]]);
  });

  test('reconnects after a close frame that says so, and not after one that does not', async () => {
    const [client, first] = await harness.online();
    const ends: unknown[] = [];
    client.on('closed', (...end) => ends.push(end));
    const kicked: true[] = [];
    client.on('kicked', () => kicked.push(true));
    first.send({ messageType: 'close', code: 4000, name: 'drain', reconnect: true, reason: 'going away' });
    const second = await harness.server.loggedIn();
    second.send({ messageType: 'close', code: 4500, name: 'kicked', reconnect: false, reason: 'elsewhere' });
    await until('the end', () => client.state === 'closed');
    expect(ends).toEqual([
      [4000, 'drain', true],
      [4500, 'kicked', false],
    ]);
    expect(kicked).toEqual([true]);
    expect(harness.server.connections).toBe(2);
    expect(() => client.sendText({ user: 'bob' }, 'too late')).toThrow(ClientClosedError);
  });

  test('a refused login is final and says why', async () => {
    const client = harness.client();
    const online = client.connect();
    const peer = await harness.server.peer();
    await peer.login({ code: 1101, name: 'badToken', reason: 'forged' });
    const error = await online.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(LoginRefusedError);
    expect(error).toMatchObject({ code: 1101, error: 'badToken', reason: 'forged' });
    expect(client.state).toBe('closed');
  });

  test('an expired token is replaced once', async () => {
    let tokens = 0;
    const client = harness.client({ token: () => `token-${++tokens}` });
    const online = client.connect();
    const expired = { code: 1102, name: 'tokenExpired', reason: 'expired' };
    await (await harness.server.peer()).login(expired);
    const second = await harness.server.peer();
    expect(await second.login()).toMatchObject({ token: 'token-2' });
    await online;
    await client.close();
    const again = client.connect();
    again.catch(() => undefined);
    await (await harness.server.peer()).login(expired);
    await (await harness.server.peer()).login(expired);
    await expect(again).rejects.toBeInstanceOf(LoginRefusedError);
  });

  test('a session that ends with its token goes on with a new one, and the refusal of an old one is still forgiven once', async () => {
    let tokens = 0;
    const [, first] = await harness.online({ token: () => `token-${++tokens}` });
    first.send({ messageType: 'close', code: 4010, name: 'tokenExpired', reconnect: true, reason: 'expired' });
    const second = await harness.server.peer();
    expect(await second.login({ code: 1102, name: 'tokenExpired', reason: 'a cached one' })).toMatchObject({
      token: 'token-2',
    });
    expect(await (await harness.server.peer()).login()).toMatchObject({ token: 'token-3' });
  });

  test('revoked tokens are told, and it does not reconnect until it is asked to', async () => {
    const [client, peer] = await harness.online();
    const revoked = new Promise<void>((resolve) => client.on('revoked', resolve));
    peer.send({ messageType: 'close', code: 4505, name: 'revoked', reconnect: false, reason: 'revoked' });
    await revoked;
    await until('the end', () => client.state === 'closed');
    const again = client.connect();
    await harness.server.loggedIn();
    await again;
  });

  test('the server may say when to come back, in place of the first wait', async () => {
    const [, first] = await harness.online({ timings: { reconnect: { baseMs: 1e9, maxMs: 1e9 } } });
    first.send({ messageType: 'close', code: 4000, name: 'drain', reconnect: true, reason: 'going', retryAfter: 20 });
    const told = performance.now();
    await harness.server.loggedIn();
    expect(performance.now() - told).toBeGreaterThanOrEqual(19);
  });

  test('also when it refuses a login for now', async () => {
    const client = harness.client({ timings: { reconnect: { baseMs: 1e9, maxMs: 1e9 } } });
    const online = client.connect();
    const first = await harness.server.peer();
    await first.login({ code: 2001, name: 'unavailable', reason: 'not now' });
    first.send({ messageType: 'close', code: 4002, name: 'unavailable', reconnect: true, reason: '', retryAfter: 20 });
    const told = performance.now();
    await harness.server.loggedIn();
    expect(performance.now() - told).toBeGreaterThanOrEqual(19);
    await online;
  });

  test('but not later than its own longest wait', async () => {
    const [, first] = await harness.online({ timings: { reconnect: { baseMs: 5, maxMs: 10 } } });
    first.send({ messageType: 'close', code: 4000, name: 'drain', reconnect: true, reason: 'going', retryAfter: 1e9 });
    await harness.server.loggedIn();
  });

  test('a login that is refused for now is tried again', async () => {
    const client = harness.client();
    const online = client.connect();
    await (await harness.server.peer()).login({ code: 2001, name: 'unavailable', reason: 'not now' });
    await harness.server.loggedIn();
    await online;
  });

  test('a token callback that fails is told, and asked again', async () => {
    let calls = 0;
    const client = harness.client({
      token: () => {
        if (++calls === 1) throw new Error('no token today');
        return 'token';
      },
    });
    const errors: string[] = [];
    client.on('error', (error) => errors.push(error.message));
    const online = client.connect();
    await harness.server.peer();
    await harness.server.loggedIn();
    await online;
    expect(errors).toEqual(['no token today']);
  });

  test('connect gives up waiting in time, and the client goes on trying', async () => {
    const client = harness.client();
    const online = client.connect({ timeoutMs: 30 });
    const peer = await harness.server.peer();
    await expect(online).rejects.toBeInstanceOf(RequestTimeoutError);
    await peer.login();
    await until('the login', () => client.state === 'online');
  });

  test('a server that never answers the login is left', async () => {
    const client = harness.client({ timings: { loginMs: 200 } });
    const online = client.connect();
    await (
      await harness.server.peer()
    ).closed;
    await harness.server.loggedIn();
    await online;
  });

  test('three heartbeats without an answer end the connection', async () => {
    const [client, peer] = await harness.online({ timings: { heartbeatMs: 100 } });
    const heads: number[] = [];
    client.on('head', (inboxSeq) => heads.push(inboxSeq));
    await until('an answered heartbeat', () => heads.length > 0);
    expect(heads[0]).toBe(7);
    peer.beats = false;
    await peer.closed;
    await harness.server.loggedIn();
    await until('the reconnect', () => client.state === 'online');
  });

  test('without a network it waits, with it it connects at once', async () => {
    const [client, peer] = await harness.online({ timings: { reconnect: { baseMs: 1, maxMs: 1 } } });
    client.networkLost();
    await peer.closed;
    await until('offline', () => client.state === 'offline');
    expect(harness.server.connections).toBe(1);
    client.networkBack();
    await harness.server.loggedIn();
    await until('online', () => client.state === 'online');
  });

  test('a frame that is no JSON costs the connection only', async () => {
    const [client, peer] = await harness.online();
    peer.sendBytes('this is not JSON\n');
    await harness.server.loggedIn();
    await until('the reconnect', () => client.state === 'online');
  });

  test('a listener that throws harms nobody', async () => {
    const [client, peer] = await harness.online();
    const errors: string[] = [];
    const seqs: number[] = [];
    client.on('error', (error) => errors.push(error.message));
    client.on('error', () => {
      throw new Error('even this one');
    });
    client.on('message', () => {
      throw new Error('a bad listener');
    });
    const end = client.on('message', ({ seq }) => seqs.push(seq));
    peer.send(delivery(1));
    expect(await peer.nextOf('receipt')).toMatchObject({ upTo: 1 });
    expect(seqs).toEqual([1]);
    expect(errors).toEqual(['a bad listener']);
    end();
    end();
    peer.send(delivery(2));
    expect(await peer.nextOf('receipt')).toMatchObject({ upTo: 2 });
    expect(seqs).toEqual([1]);
  });

  test('close says the receipts that are owed, and unsettled sends end', async () => {
    const [client, peer] = await harness.online({ timings: { receiptMs: 60_000 } });
    const came = new Promise((resolve) => client.on('message', resolve));
    const { receipt } = client.sendText({ user: 'bob' }, 'never answered');
    await peer.nextOf('normal');
    peer.send(delivery(1));
    await came;
    const page = client.history({ user: 'bob' }).catch((error: unknown) => error);
    await client.close();
    await expect(receipt).rejects.toBeInstanceOf(SendUnknownError);
    expect(await page).toBeInstanceOf(ClientClosedError);
    expect(await peer.nextOf('receipt')).toMatchObject({ upTo: 1 });
  });
});

describe('a new generation of the data', () => {
  test('resets the store and says resync', async () => {
    const store = new MemoryStore();
    const [client, first] = await harness.online({ store }, { generation: 'old' });
    const resyncs: string[] = [];
    const seqs: number[] = [];
    client.on('resync', (generation) => resyncs.push(generation));
    client.on('message', ({ seq }) => seqs.push(seq));
    first.send(delivery(1));
    await first.nextOf('receipt');
    first.cut();
    const second = await harness.server.loggedIn({ generation: 'new' });
    second.send(delivery(1));
    await second.nextOf('receipt');
    expect(resyncs).toEqual(['new']);
    expect(store.generation()).toBe('new');
    expect(seqs).toEqual([1, 1]);
  });
});
