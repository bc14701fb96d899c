import { afterEach, describe, expect, test } from '@jest/globals';
import type { Delivery } from '@huizhi/protocol/client';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { addressOf, type Mode } from './address.js';
import { browserTransport } from './browser-transport.js';
import { ClientClosedError } from './errors.js';
import { delivery } from './testing/fake-server.js';
import { Harness, until } from './testing/harness.js';

let harness: Harness;

afterEach(() => harness.stop());

const MODES: Mode[] = ['lines', 'frames', 'websocket'];
const MIB = 1024 * 1024;

/** A frame with `bytes` bytes of JSON. */
const frameOf = (bytes: number): object => ({ messageType: 'later', filler: 'x'.repeat(bytes - 35) });

describe.each(MODES)('over %s', (mode) => {
  test('the client sends and receives objects and batches in order and unchanged', async () => {
    harness = await Harness.start(mode);
    const [client, peer] = await harness.online();
    const texts: unknown[] = [];
    client.on('message', ({ content }: Delivery) => texts.push(content.text));
    const sent = Array.from({ length: 50 }, (_, n) => client.sendText({ user: 'bob' }, `回执 👋 ${n}\n`));
    for (const [n, { clientMsgID, receipt }] of sent.entries()) {
      const frame = await peer.nextOf('normal');
      expect(frame).toMatchObject({ clientMsgID, content: { text: `回执 👋 ${n}\n` } });
      peer.accept(frame, n + 1);
      expect((await receipt).seq).toBe(n + 1);
    }
    peer.send([delivery(1, { content: { text: '回' } }), delivery(2, { content: { text: '👋' } })]);
    peer.send(delivery(3, { content: { text: 'three' } }));
    expect(await peer.nextOf('receipt')).toMatchObject({ upTo: 3 });
    expect(texts).toEqual(['回', '👋', 'three']);
  });

  test('the client reads a frame of 1 MiB and ends the connection at a longer one', async () => {
    harness = await Harness.start(mode);
    const [client, peer] = await harness.online();
    const errors: string[] = [];
    client.on('error', ({ message }) => errors.push(message));
    const whole = frameOf(MIB);
    expect(JSON.stringify(whole).length).toBe(MIB);
    peer.send(whole);
    peer.send(delivery(1));
    expect(await peer.nextOf('receipt')).toMatchObject({ upTo: 1 });
    peer.send(frameOf(MIB + 1));
    await peer.closed;
    await harness.server.loggedIn();
    expect(errors).toHaveLength(1);
  });

  test('the client reconnects when it receives bytes that are not a frame', async () => {
    harness = await Harness.start(mode);
    const [client, peer] = await harness.online();
    const ends: string[] = [];
    client.on('closed', (_code, name) => ends.push(name));
    peer.sendBytes('no frame\n  in any mode');
    await harness.server.loggedIn();
    await until('the reconnect', () => client.state === 'online');
    expect(ends).toEqual(['connectionLost']);
  });

  test('the client reconnects after a lost connection and sends unanswered messages again', async () => {
    harness = await Harness.start(mode);
    const [client, peer] = await harness.online();
    const { clientMsgID, receipt } = client.sendText({ user: 'bob' }, 'once');
    await peer.nextOf('normal');
    peer.cut();
    const second = await harness.server.loggedIn();
    const again = await second.nextOf('normal');
    expect(again.clientMsgID).toBe(clientMsgID);
    second.accept(again, 1);
    expect((await receipt).seq).toBe(1);
  });

  test('the client reconnects when the server is silent', async () => {
    harness = await Harness.start(mode);
    const [client, peer] = await harness.online({ timings: { heartbeatMs: 100 } });
    const ends: string[] = [];
    client.on('closed', (_code, name) => ends.push(name));
    peer.beats = false;
    await harness.server.loggedIn();
    expect(ends).toEqual(['heartbeatMissed']);
  });

  test('the client ends the connection when the server does not read 16 MiB of frames', async () => {
    harness = await Harness.start(mode);
    const [client, peer] = await harness.online();
    peer.pause();
    const ends: string[] = [];
    client.on('closed', (_code, name) => ends.push(name));
    const errors: string[] = [];
    client.on('error', ({ message }) => errors.push(message));
    // Requests have no bound in bytes, but the transport has. At most four are in flight.
    const ask = (): void => void client.history({ user: 'x'.repeat(16 * MIB) }).catch(() => undefined);
    for (let n = 0; n < 4; n++) ask();
    await until('the end', () => ends.length > 0);
    expect(errors).toEqual(['the server does not read']);
    peer.cut();
  });

  test('the client closes in order and throws when it sends after that', async () => {
    harness = await Harness.start(mode);
    const [client, peer] = await harness.online();
    await Promise.all([client.close(), peer.closed]);
    expect(client.state).toBe('closed');
    expect(() => client.sendText({ user: 'bob' }, 'late')).toThrow(ClientClosedError);
  });

  test('the client ends an attempt to connect without an answer after connectMs', async () => {
    harness = await Harness.start(mode);
    // Accepts connections and sends nothing, neither TLS nor HTTP.
    const silent = createServer((socket) => socket.on('error', () => undefined).resume()).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    const client = harness.client({ address: { host: '127.0.0.1', port, mode }, timings: { connectMs: 20 } });
    const ends: string[] = [];
    client.on('closed', (_code, name) => ends.push(name));
    client.connect().catch(() => undefined);
    await until('the end', () => ends.length > 0);
    expect(ends[0]).toBe('connectTimeout');
    await client.close();
    silent.close();
    await once(silent, 'close');
  });
});

describe('a WebSocket', () => {
  test('that is refused with status 403 closes the client with UpgradeRefusedError', async () => {
    harness = await Harness.start('websocket');
    harness.server.refuseWith = 403;
    const client = harness.client();
    const errors: string[] = [];
    client.on('error', ({ message }) => errors.push(message));
    await expect(client.connect()).rejects.toMatchObject({ name: 'UpgradeRefusedError', status: 403 });
    expect(errors).toEqual(['the server refused the WebSocket: HTTP status 403']);
    expect(client.state).toBe('closed');
  });

  test('that is refused with status 503 is retried', async () => {
    harness = await Harness.start('websocket');
    harness.server.refuseWith = 503;
    const client = harness.client();
    const ends: unknown[] = [];
    client.on('closed', (...end) => ends.push(end));
    const online = client.connect();
    await until('a refusal', () => ends.length > 0);
    expect(ends[0]).toEqual([0, 'upgradeRefused', true]);
    harness.server.refuseWith = undefined;
    await harness.server.loggedIn();
    await online;
  });

  test('closed with a code of the close table has the meaning of that row without a close frame', async () => {
    harness = await Harness.start('websocket');
    const [client, first] = await harness.online();
    const ends: unknown[] = [];
    client.on('closed', (...end) => ends.push(end));
    first.end(4000);
    const second = await harness.server.loggedIn();
    second.end(1011);
    const third = await harness.server.loggedIn();
    third.end(4500);
    await until('the end', () => client.state === 'closed');
    expect(ends).toEqual([
      [4000, 'drain', true],
      [0, 'connectionLost', true],
      [4500, 'kicked', false],
    ]);
  });

  test('that receives a binary message is closed', async () => {
    harness = await Harness.start('websocket');
    const [, peer] = await harness.online();
    peer.sendBytes(new TextEncoder().encode('{"messageType":"later"}'));
    await peer.closed;
    await harness.server.loggedIn();
  });

  test('is the only transport of a browser', async () => {
    harness = await Harness.start('websocket');
    expect(() => browserTransport(addressOf('tls://chat.example.org:4433'))).toThrow(TypeError);
  });
});
