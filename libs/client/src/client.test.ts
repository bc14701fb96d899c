import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { HuizhiClient } from './client.js';
import type { ClientOptions } from './options.js';
import { delivery, FakeServer } from './testing/fake-server.js';

let server: FakeServer;
let clients: HuizhiClient[];

beforeEach(async () => {
  server = await FakeServer.start();
  clients = [];
});

afterEach(async () => {
  await Promise.all(clients.map((client) => client.close()));
  await server.stop();
});

function make(options: Partial<ClientOptions> = {}): HuizhiClient {
  const client = new HuizhiClient({
    address: server.address,
    user: 'alice',
    deviceID: 'phone',
    token: () => 'a-token',
    ...options,
    timings: { reconnect: { baseMs: 5, maxMs: 20 }, resend: { baseMs: 4, maxMs: 20 }, ...options.timings },
  });
  clients.push(client);
  return client;
}

describe('a session', () => {
  test('logs in with what the token callback gives, and says so', async () => {
    const client = make({ token: async () => 'fresh' });
    const states: string[] = [];
    client.on('state', (state) => states.push(state));
    const online = client.connect();
    const login = await (await server.peer()).login();
    await online;
    expect(login).toMatchObject({
      messageType: 'login',
      fromUserID: 'alice',
      deviceID: 'phone',
      token: 'fresh',
      versionCode: 2,
    });
    expect(states).toEqual(['connecting', 'loggingIn', 'online']);
    await client.close();
    expect(client.state).toBe('closed');
  });

  test('sends, is receipted, receives, receipts', async () => {
    const client = make();
    const online = client.connect();
    const peer = await server.loggedIn();
    await online;
    const sending = client.sendText({ user: 'bob' }, 'hello');
    const frame = await peer.nextOf('normal');
    expect(frame).toMatchObject({ toUserID: 'bob', content: { text: 'hello' }, clientMsgID: sending.clientMsgID });
    peer.accept(frame, 1);
    expect(await sending.receipt).toMatchObject({ seq: 1, messageID: '1024' });
    const got: number[] = [];
    client.on('message', (message) => got.push(message.seq));
    peer.send(delivery(1));
    peer.send([delivery(2), delivery(3)]);
    expect(await peer.nextOf('receipt')).toEqual({ messageType: 'receipt', upTo: 3 });
    expect(got).toEqual([1, 2, 3]);
  });
});
