import { afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { eventually } from './eventually.js';
import { TcpProxy } from './tcp-proxy.js';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** Answers each chunk with `answer(chunk)`. */
async function server(
  answer: (chunk: Buffer) => Buffer = (chunk) => chunk,
): Promise<{ port: number; sockets: Set<Socket> }> {
  const sockets = new Set<Socket>();
  const listener: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => socket.write(answer(chunk)));
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  closers.push(async () => {
    for (const socket of sockets) socket.destroy();
    listener.close();
    await once(listener, 'close');
  });
  return { port: (listener.address() as { port: number }).port, sockets };
}

async function proxyTo(port: number): Promise<TcpProxy> {
  const proxy = await TcpProxy.start({ target: { host: '127.0.0.1', port } });
  closers.push(() => proxy.stop());
  return proxy;
}

class Client {
  chunks: Buffer[] = [];
  error: string | undefined;
  closed = false;
  private constructor(readonly socket: Socket) {
    socket.on('data', (chunk) => this.chunks.push(chunk));
    socket.on('error', (error: NodeJS.ErrnoException) => (this.error = error.code));
    socket.on('close', () => (this.closed = true));
  }
  static async connect(port: number): Promise<Client> {
    const client = new Client(createConnection({ port, host: '127.0.0.1', noDelay: true }));
    closers.push(async () => client.socket.destroy());
    await once(client.socket, 'connect');
    return client;
  }
  get text(): string {
    return Buffer.concat(this.chunks).toString();
  }
  async receives(text: string): Promise<void> {
    await eventually(`"${text.slice(0, 50)}" (so far "${this.text.slice(0, 50)}")`, () => this.text === text);
  }
  async isReset(): Promise<void> {
    await eventually('the reset', () => this.closed);
    expect(this.error).toBe('ECONNRESET');
  }
}

describe('TcpProxy', () => {
  it('forwards data larger than any buffer in both directions', async () => {
    const proxy = await proxyTo((await server()).port);
    const client = await Client.connect(proxy.port);
    const sent = Buffer.alloc(5_000_000, 'abcdefghij');
    client.socket.write(sent);
    await eventually('all bytes', () => Buffer.concat(client.chunks).equals(sent));
  });

  it('forwards an orderly end', async () => {
    const { port, sockets } = await server();
    const proxy = await proxyTo(port);
    const client = await Client.connect(proxy.port);
    client.socket.end('bye');
    await client.receives('bye');
    await eventually('both ends to close', () => client.closed && sockets.size === 0 && proxy.connections === 0);
    expect(client.error).toBeUndefined();
  });

  it('stops reading on open connections when stalled; new ones work, and heal() resets the stalled ones', async () => {
    const { port } = await server();
    const proxy = await proxyTo(port);
    const client = await Client.connect(proxy.port);
    client.socket.write('one');
    await client.receives('one');
    proxy.stall();
    // More than the kernel's buffers hold.
    client.socket.write(Buffer.alloc(32_000_000));
    const other = await Client.connect(proxy.port);
    other.socket.write('two');
    await other.receives('two');
    expect(client.text).toBe('one');
    expect(client.socket.writableLength).toBeGreaterThan(0);
    await proxy.heal();
    await client.isReset();
    other.socket.write('three');
    await other.receives('twothree');
  });

  it('resets open connections and refuses new ones when cut, until heal() reopens the same port', async () => {
    const { port, sockets } = await server();
    const proxy = await proxyTo(port);
    const client = await Client.connect(proxy.port);
    client.socket.write('one');
    await client.receives('one');
    const before = proxy.port;
    await proxy.cut();
    await client.isReset();
    await eventually('the server side to close', () => sockets.size === 0);
    await expect(Client.connect(before)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await proxy.heal();
    expect(proxy.port).toBe(before);
    const again = await Client.connect(before);
    again.socket.write('two');
    await again.receives('two');
  });

  it('keeps old connections and accepts new ones as a black hole, but forwards no byte', async () => {
    let received = 0;
    const { port, sockets } = await server((chunk) => ((received += chunk.length), chunk));
    const proxy = await proxyTo(port);
    const old = await Client.connect(proxy.port);
    const idle = await Client.connect(proxy.port);
    await eventually('both connections', () => sockets.size === 2);
    proxy.blackhole();
    const fresh = await Client.connect(proxy.port);
    old.socket.write('lost');
    fresh.socket.write('lost');
    // A direct connection shows that the server is alive meanwhile.
    const direct = await Client.connect(port);
    direct.socket.write('ping');
    await direct.receives('ping');
    expect(received).toBe(4);
    expect([old.closed, fresh.closed]).toEqual([false, false]);

    await proxy.heal();
    await Promise.all([old.isReset(), fresh.isReset()]);
    idle.socket.write('lost nothing, goes on');
    await idle.receives('lost nothing, goes on');
  });

  it('delays both directions and keeps the order', async () => {
    const proxy = await proxyTo((await server()).port);
    proxy.latency(60);
    const client = await Client.connect(proxy.port);
    const start = performance.now();
    for (const part of ['a', 'b', 'c', 'd']) client.socket.write(part);
    await client.receives('abcd');
    expect(performance.now() - start).toBeGreaterThanOrEqual(119);
  });

  it('throttles answers on open connections but not on later ones, and keeps their bytes in order', async () => {
    const proxy = await proxyTo((await server()).port);
    const slow = await Client.connect(proxy.port);
    await eventually('the connection', () => proxy.connections === 1);
    proxy.throttle(200_000);
    const sent = Buffer.alloc(1_000_000, 'abcdefghij');
    const start = performance.now();
    slow.socket.write(sent);
    const other = await Client.connect(proxy.port);
    other.socket.write('quick');
    await other.receives('quick');
    await eventually('a part', () => slow.text.length >= 100_000);
    expect(performance.now() - start).toBeGreaterThan(400);
    expect(slow.text.length).toBeLessThan(sent.length);
    await proxy.heal();
    // At the throttled rate this would take five seconds.
    await eventually('all bytes', () => Buffer.concat(slow.chunks).equals(sent));
  });

  it('splits writes into single bytes', async () => {
    const sizes: number[] = [];
    const { port } = await server((chunk) => (sizes.push(chunk.length), chunk));
    const proxy = await proxyTo(port);
    proxy.splitBytes(1);
    const client = await Client.connect(proxy.port);
    client.socket.write('0123456789');
    await client.receives('0123456789');
    expect(sizes.length).toBeGreaterThan(1);
  });

  it.each([
    ['bytes spread over chunks', 'needle'],
    ['a predicate', (chunk: Buffer) => chunk.includes('dle')],
  ])('drops one answer, found by %s, and resets that connection', async (_name, match) => {
    const received: string[] = [];
    const { port } = await server((chunk) => (received.push(chunk.toString()), chunk));
    const proxy = await proxyTo(port);
    const client = await Client.connect(proxy.port);
    client.socket.write('before ');
    await client.receives('before ');
    const eaten = proxy.dropResponsesOnce(match);
    client.socket.write('nee');
    await client.receives('before nee');
    client.socket.write('dle');
    await eaten;
    await client.isReset();
    expect(client.text).toBe('before nee');
    expect(received.join('')).toBe('before needle');

    const again = await Client.connect(proxy.port);
    again.socket.write('needle');
    await again.receives('needle');
  });

  it('drops all answers after a match when told to stay silent, but forwards requests', async () => {
    const received: string[] = [];
    const proxy = await proxyTo((await server((chunk) => (received.push(chunk.toString()), chunk))).port);
    const client = await Client.connect(proxy.port);
    const eaten = proxy.dropResponsesOnce('x', 'silence');
    client.socket.write('x');
    await eaten;
    client.socket.write('y');
    await eventually('the requests', () => received.join('') === 'xy');
    const other = await Client.connect(proxy.port);
    other.socket.write('z');
    await other.receives('z');
    expect([client.text, client.closed]).toEqual(['', false]);
  });
});
