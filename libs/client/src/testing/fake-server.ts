import { createServer, type Server, type Socket } from 'node:net';
import type { Delivery, LoginReceipt } from '@huizhi/protocol/client';
import { LineSplitter, parseFrame } from '../line-splitter.js';

export type Frame = Record<string, unknown>;

const WAIT_MS = 4000;

/** Values somebody puts in and somebody else waits for. */
class Mailbox<T> {
  private readonly values: T[] = [];
  private readonly takers: ((value: T) => void)[] = [];

  put(value: T): void {
    const taker = this.takers.shift();
    if (taker) taker(value);
    else this.values.push(value);
  }

  get size(): number {
    return this.values.length;
  }

  take(what: string): Promise<T> {
    const value = this.values.shift();
    if (value !== undefined) return Promise.resolve(value);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`waited ${WAIT_MS} ms for ${what}`)), WAIT_MS);
      this.takers.push((taken) => {
        clearTimeout(timer);
        resolve(taken);
      });
    });
  }
}

export const LIMITS = {
  frameBytes: 65_536,
  framesPerSecond: 10_000,
  unansweredSends: 100,
  window: 500,
  batchEntries: 200,
};

/** A scripted peer that speaks JSON lines over plain TCP; the test plays the server. */
export class FakeServer {
  private readonly peers = new Mailbox<Peer>();
  private readonly open = new Set<Peer>();
  connections = 0;

  private constructor(private readonly server: Server) {}

  static async start(): Promise<FakeServer> {
    const server = createServer();
    const fake = new FakeServer(server);
    server.on('connection', (socket) => fake.accept(socket));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return fake;
  }

  get address(): { host: string; port: number; tls: false } {
    const address = this.server.address();
    if (address === null || typeof address === 'string') throw new Error('the server does not listen');
    return { host: '127.0.0.1', port: address.port, tls: false };
  }

  /** The next connection. */
  peer(): Promise<Peer> {
    return this.peers.take('a connection');
  }

  /** The next connection, logged in. */
  async loggedIn(receipt: Partial<LoginReceipt> = {}): Promise<Peer> {
    const peer = await this.peer();
    await peer.login(receipt);
    return peer;
  }

  async stop(): Promise<void> {
    for (const peer of this.open) peer.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private accept(socket: Socket): void {
    this.connections++;
    const peer = new Peer(socket);
    this.open.add(peer);
    socket.on('close', () => this.open.delete(peer));
    this.peers.put(peer);
  }
}

export class Peer {
  readonly closed: Promise<void>;
  /** Heartbeats are answered by themselves while this is true. */
  beats = true;
  /** What came, heartbeats aside. */
  readonly seen: Frame[] = [];
  private readonly frames = new Mailbox<Frame>();

  constructor(private readonly socket: Socket) {
    const splitter = new LineSplitter(1 << 20);
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
    socket.on('data', (bytes) => splitter.push(bytes, (line) => this.read(parseFrame(line) as Frame)));
  }

  send(frame: object): void {
    this.socket.write(`${JSON.stringify(frame)}\n`);
  }

  sendBytes(bytes: string | Uint8Array): void {
    this.socket.write(bytes);
  }

  cut(): void {
    this.socket.destroy();
  }

  end(): void {
    this.socket.end();
  }

  /** The next frame that is no heartbeat. */
  next(): Promise<Frame> {
    return this.frames.take('a frame');
  }

  /** The next frame of this type; others are passed over. */
  async nextOf(messageType: string): Promise<Frame> {
    for (;;) {
      const frame = await this.next();
      if (frame.messageType === messageType) return frame;
    }
  }

  async login(receipt: Partial<LoginReceipt> = {}): Promise<Frame> {
    const login = await this.next();
    this.send({
      messageType: 'loginReceipt',
      code: 0,
      heartbeat: 20,
      limits: LIMITS,
      inboxSeq: 0,
      head: 0,
      waiting: 0,
      generation: 'g1',
      ...receipt,
    });
    return login;
  }

  /** A `normalReceipt` for a frame that came. */
  accept(frame: Frame, seq: number): void {
    const { clientMsgID, sendTime } = frame;
    const place = { messageID: String(1024 * seq), conversationID: 'p_x', seq, serverTime: '1700000000000' };
    this.send({ messageType: 'normalReceipt', ...place, clientMsgID, sendTime });
  }

  error(frame: Frame, name = 'unavailable', code = 2001): void {
    const { clientMsgID } = frame;
    this.send({ messageType: 'error', code, name, temporary: true, reason: 'a test says so', clientMsgID });
  }

  private read(frame: Frame): void {
    if (frame.messageType === undefined && 'beatID' in frame) {
      if (this.beats) this.send({ beatID: frame.beatID, inboxSeq: 7, serverTime: '1' });
      return;
    }
    this.seen.push(frame);
    this.frames.put(frame);
  }
}

/** A delivery to `me` in a pair's conversation; `n` is its inboxSeq, seq and id at once. */
export function delivery(n: number, more: Partial<Delivery> = {}): Delivery {
  return {
    messageType: 'normal',
    messageID: String(1024 * n),
    conversationID: 'p_x',
    seq: n,
    serverTime: '1700000000000',
    inboxSeq: n,
    fromUserID: 'bob',
    toUserID: 'alice',
    chatType: 'userChat',
    contenType: 'text',
    clientMsgID: `c${n}`,
    content: { text: `message ${n}` },
    ...more,
  };
}
