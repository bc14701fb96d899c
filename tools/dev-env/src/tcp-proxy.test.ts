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
  it('forwards both ways, larger than any buffer', async () => {
    const proxy = await proxyTo((await server()).port);
    const client = await Client.connect(proxy.port);
    const sent = Buffer.alloc(5_000_000, 'abcdefghij');
    client.socket.write(sent);
    await eventually('all bytes', () => Buffer.concat(client.chunks).equals(sent));
  });

  it('passes on an orderly end', async () => {
    const { port, sockets } = await server();
    const proxy = await proxyTo(port);
    const client = await Client.connect(proxy.port);
    client.socket.end('bye');
    await client.receives('bye');
    await eventually('both ends to close', () => client.closed && sockets.size === 0 && proxy.connections === 0);
    expect(client.error).toBeUndefined();
  });

  it('stalls what is open: writes pile up with the writer, new connections work, and healing resets the stalled', async () => {
    const { port } = await server();
    const proxy = await proxyTo(port);
    const client = await Client.connect(proxy.port);
    client.socket.write('one');
    await client.receives('one');
    proxy.stall();
    // More than the kernel's buffers take.
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

  it('cuts: resets what is open and refuses what is new, until healed on the same port', async () => {
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

  it('is a black hole: connections stay and new ones are accepted, but no byte arrives', async () => {
    let heard = 0;
    const { port, sockets } = await server((chunk) => ((heard += chunk.length), chunk));
    const proxy = await proxyTo(port);
    const old = await Client.connect(proxy.port);
    const idle = await Client.connect(proxy.port);
    await eventually('both connections', () => sockets.size === 2);
    proxy.blackhole();
    const fresh = await Client.connect(proxy.port);
    old.socket.write('lost');
    fresh.socket.write('lost');
    // Through a second proxy-free connection the server is shown to be alive meanwhile.
    const direct = await Client.connect(port);
    direct.socket.write('ping');
    await direct.receives('ping');
    expect(heard).toBe(4);
    expect([old.closed, fresh.closed]).toEqual([false, false]);

    await proxy.heal();
    await Promise.all([old.isReset(), fresh.isReset()]);
    idle.socket.write('lost nothing, goes on');
    await idle.receives('lost nothing, goes on');
  });

  it('delays each way and keeps the order', async () => {
    const proxy = await proxyTo((await server()).port);
    proxy.latency(60);
    const client = await Client.connect(proxy.port);
    const start = performance.now();
    for (const part of ['a', 'b', 'c', 'd']) client.socket.write(part);
    await client.receives('abcd');
    expect(performance.now() - start).toBeGreaterThanOrEqual(119);
  });

  it('throttles what is open: its answers come slowly, whole and in order, those of a later connection at once, until healed', async () => {
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
    // At its pace it would take five seconds.
    await eventually('all bytes', () => Buffer.concat(slow.chunks).equals(sent));
  });

  it('splits: every byte on its own', async () => {
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
  ])('eats one answer, found by %s, and resets that connection', async (_name, match) => {
    const heard: string[] = [];
    const { port } = await server((chunk) => (heard.push(chunk.toString()), chunk));
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
    expect(heard.join('')).toBe('before needle');

    const again = await Client.connect(proxy.port);
    again.socket.write('needle');
    await again.receives('needle');
  });

  it('eats an answer and stays silent when told so: what is asked arrives, what is answered does not', async () => {
    const heard: string[] = [];
    const proxy = await proxyTo((await server((chunk) => (heard.push(chunk.toString()), chunk))).port);
    const client = await Client.connect(proxy.port);
    const eaten = proxy.dropResponsesOnce('x', 'silence');
    client.socket.write('x');
    await eaten;
    client.socket.write('y');
    await eventually('what is asked', () => heard.join('') === 'xy');
    const other = await Client.connect(proxy.port);
    other.socket.write('z');
    await other.receives('z');
    expect([client.text, client.closed]).toEqual(['', false]);
  });
});
