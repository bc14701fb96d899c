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

describe('the client', () => {
  test('logs in with the token of the callback and emits its states', async () => {
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

  test('reconnects by itself and requests a token each time', async () => {
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

  test('reconnects after a close frame only when its `reconnect` is true', async () => {
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

  test('rejects with LoginRefusedError and closes when the login is refused', async () => {
    const client = harness.client();
    const online = client.connect();
    const peer = await harness.server.peer();
    await peer.login({ code: 1101, name: 'badToken', reason: 'forged' });
    const error = await online.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(LoginRefusedError);
    expect(error).toMatchObject({ code: 1101, error: 'badToken', reason: 'forged' });
    expect(client.state).toBe('closed');
  });

  test('replaces an expired token once', async () => {
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

  test('logs in with a new token after its session has expired, and still replaces one expired token after that', async () => {
    let tokens = 0;
    const [, first] = await harness.online({ token: () => `token-${++tokens}` });
    first.send({ messageType: 'close', code: 4010, name: 'tokenExpired', reconnect: true, reason: 'expired' });
    const second = await harness.server.peer();
    expect(await second.login({ code: 1102, name: 'tokenExpired', reason: 'a cached one' })).toMatchObject({
      token: 'token-2',
    });
    expect(await (await harness.server.peer()).login()).toMatchObject({ token: 'token-3' });
  });

  test('emits `revoked` when tokens are revoked, and reconnects only on request', async () => {
    const [client, peer] = await harness.online();
    const revoked = new Promise<void>((resolve) => client.on('revoked', resolve));
    peer.send({ messageType: 'close', code: 4505, name: 'revoked', reconnect: false, reason: 'revoked' });
    await revoked;
    await until('the end', () => client.state === 'closed');
    const again = client.connect();
    await harness.server.loggedIn();
    await again;
  });

  test('uses the retryAfter of a close frame as its first delay', async () => {
    const [, first] = await harness.online({ timings: { reconnect: { baseMs: 1e9, maxMs: 1e9 } } });
    first.send({ messageType: 'close', code: 4000, name: 'drain', reconnect: true, reason: 'going', retryAfter: 20 });
    const told = performance.now();
    await harness.server.loggedIn();
    expect(performance.now() - told).toBeGreaterThanOrEqual(19);
  });

  test('uses the retryAfter of a close frame after a temporary refusal of the login', async () => {
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

  test('limits the retryAfter of a close frame to its own maximum delay', async () => {
    const [, first] = await harness.online({ timings: { reconnect: { baseMs: 5, maxMs: 10 } } });
    first.send({ messageType: 'close', code: 4000, name: 'drain', reconnect: true, reason: 'going', retryAfter: 1e9 });
    await harness.server.loggedIn();
  });

  test('retries a login after a temporary refusal', async () => {
    const client = harness.client();
    const online = client.connect();
    await (await harness.server.peer()).login({ code: 2001, name: 'unavailable', reason: 'not now' });
    await harness.server.loggedIn();
    await online;
  });

  test('emits an error of the token callback and calls it again', async () => {
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

  test('rejects connect() after its timeout and keeps trying', async () => {
    const client = harness.client();
    const online = client.connect({ timeoutMs: 30 });
    const peer = await harness.server.peer();
    await expect(online).rejects.toBeInstanceOf(RequestTimeoutError);
    await peer.login();
    await until('the login', () => client.state === 'online');
  });

  test('reconnects when the server does not answer the login', async () => {
    const client = harness.client({ timings: { loginMs: 200 } });
    const online = client.connect();
    await (
      await harness.server.peer()
    ).closed;
    await harness.server.loggedIn();
    await online;
  });

  test('ends the connection after three heartbeats without an answer', async () => {
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

  test('waits while there is no network and connects at once when it is back', async () => {
    const [client, peer] = await harness.online({ timings: { reconnect: { baseMs: 1, maxMs: 1 } } });
    client.networkLost();
    await peer.closed;
    await until('offline', () => client.state === 'offline');
    expect(harness.server.connections).toBe(1);
    client.networkBack();
    await harness.server.loggedIn();
    await until('online', () => client.state === 'online');
  });

  test('reconnects after a frame that is not JSON', async () => {
    const [client, peer] = await harness.online();
    peer.sendBytes('this is not JSON\n');
    await harness.server.loggedIn();
    await until('the reconnect', () => client.state === 'online');
  });

  test('continues when a listener throws, and emits its error', async () => {
    const [client, peer] = await harness.online();
    const errors: string[] = [];
    const seqs: number[] = [];
    client.on('error', (error) => errors.push(error.message));
    client.on('error', () => {
      throw new Error('an error of the error listener');
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

  test('sends pending receipts and rejects unsettled sends when it is closed', async () => {
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

describe('the client, at a new generation of the data,', () => {
  test('resets the store and emits `resync`', async () => {
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
