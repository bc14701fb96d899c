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

/** A frame with so many bytes of JSON. */
const frameOf = (bytes: number): object => ({ messageType: 'later', filler: 'x'.repeat(bytes - 35) });

describe.each(MODES)('over %s', (mode) => {
  test('frames go both ways, objects and batches, in order and as they are', async () => {
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

  test('a frame of a MiB is read, a longer one costs the connection', async () => {
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

  test('what is no frame costs the connection', async () => {
    harness = await Harness.start(mode);
    const [client, peer] = await harness.online();
    const ends: string[] = [];
    client.on('closed', (_code, name) => ends.push(name));
    peer.sendBytes('no frame\n  in any mode');
    await harness.server.loggedIn();
    await until('the reconnect', () => client.state === 'online');
    expect(ends).toEqual(['connectionLost']);
  });

  test('a connection that is cut is made anew, and what was unanswered is sent again', async () => {
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

  test('a server that has gone silent is left', async () => {
    harness = await Harness.start(mode);
    const [client, peer] = await harness.online({ timings: { heartbeatMs: 100 } });
    const ends: string[] = [];
    client.on('closed', (_code, name) => ends.push(name));
    peer.beats = false;
    await harness.server.loggedIn();
    expect(ends).toEqual(['heartbeatMissed']);
  });

  test('a server that stops reading cannot fill the memory', async () => {
    harness = await Harness.start(mode);
    const [client, peer] = await harness.online();
    peer.pause();
    const ends: string[] = [];
    client.on('closed', (_code, name) => ends.push(name));
    const errors: string[] = [];
    client.on('error', ({ message }) => errors.push(message));
    // Requests have no bound in bytes; the transport has. A few are under way at a time.
    const ask = (): void => void client.history({ user: 'x'.repeat(16 * MIB) }).catch(() => undefined);
    for (let n = 0; n < 4; n++) ask();
    await until('the end', () => ends.length > 0);
    expect(errors).toEqual(['the server does not read']);
    peer.cut();
  });

  test('a close in order ends in order, and nothing can be sent after it', async () => {
    harness = await Harness.start(mode);
    const [client, peer] = await harness.online();
    await Promise.all([client.close(), peer.closed]);
    expect(client.state).toBe('closed');
    expect(() => client.sendText({ user: 'bob' }, 'late')).toThrow(ClientClosedError);
  });

  test('a connect that gets no answer is given up in time', async () => {
    harness = await Harness.start(mode);
    // Takes connections and never says anything, neither of TLS nor of HTTP.
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
  test('that is refused for what the client is ends the client and says so', async () => {
    harness = await Harness.start('websocket');
    harness.server.refuseWith = 403;
    const client = harness.client();
    const errors: string[] = [];
    client.on('error', ({ message }) => errors.push(message));
    await expect(client.connect()).rejects.toMatchObject({ name: 'UpgradeRefusedError', status: 403 });
    expect(errors).toEqual(['the server refused the WebSocket: HTTP status 403']);
    expect(client.state).toBe('closed');
  });

  test('that is refused for now is tried again', async () => {
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

  test('closed with a code of the protocol means what the close table says, also without a close frame', async () => {
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

  test('that carries bytes where text belongs is left', async () => {
    harness = await Harness.start('websocket');
    const [, peer] = await harness.online();
    peer.sendBytes(new TextEncoder().encode('{"messageType":"later"}'));
    await peer.closed;
    await harness.server.loggedIn();
  });

  test('is all that a browser has', async () => {
    harness = await Harness.start('websocket');
    expect(() => browserTransport(addressOf('tls://chat.example.org:4433'))).toThrow(TypeError);
  });
});
