import type { Delivery, LoginReceipt } from '@huizhi/protocol/client';
import type { Address, Mode } from '../address.js';
import { listen, type Frame, type PeerServer, type PeerWire } from './peer-wire.js';

export type { Frame } from './peer-wire.js';

/** Limit for a hanging test in ms, not a measure of speed. */
const WAIT_MS = 20_000;

/** A queue of values with promises for values that have not arrived yet. */
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

/** A server of one mode over plain TCP, controlled by the test. */
export class FakeServer {
  private readonly peers = new Mailbox<Peer>();
  private readonly open = new Set<Peer>();
  private server!: PeerServer;
  connections = 0;

  private constructor(private readonly mode: Mode) {}

  static async start(mode: Mode = 'lines'): Promise<FakeServer> {
    const fake = new FakeServer(mode);
    fake.server = await listen(mode, (wire) => fake.accept(wire));
    return fake;
  }

  get address(): Address {
    return { host: '127.0.0.1', port: this.server.port, tls: false, mode: this.mode };
  }

  /** While set, WebSocket upgrades are refused with this HTTP status. */
  set refuseWith(status: number | undefined) {
    this.server.refuseWith = status;
  }

  /** The next connection. */
  peer(): Promise<Peer> {
    return this.peers.take('a connection');
  }

  /** The next connection, after its login. */
  async loggedIn(receipt: Partial<LoginReceipt> = {}): Promise<Peer> {
    const peer = await this.peer();
    await peer.login(receipt);
    return peer;
  }

  async stop(): Promise<void> {
    for (const peer of this.open) peer.cut();
    await this.server.stop();
  }

  private accept(wire: PeerWire): void {
    this.connections++;
    const peer = new Peer(wire);
    this.open.add(peer);
    void wire.closed.then(() => this.open.delete(peer));
    this.peers.put(peer);
  }
}

export class Peer {
  readonly closed: Promise<void>;
  /** Whether heartbeats are answered automatically. */
  beats = true;
  /** Received frames without heartbeats. */
  readonly seen: Frame[] = [];
  private readonly frames = new Mailbox<Frame>();

  constructor(private readonly wire: PeerWire) {
    this.closed = wire.closed;
    wire.onFrame((frame) => this.read(frame));
  }

  send(frame: object): void {
    this.wire.send(JSON.stringify(frame));
  }

  sendBytes(bytes: string | Uint8Array): void {
    this.wire.sendBytes(bytes);
  }

  cut(): void {
    this.wire.cut();
  }

  /** Stops reading. */
  pause(): void {
    this.wire.pause();
  }

  /** @param code close code of a WebSocket */
  end(code?: number): void {
    this.wire.end(code);
  }

  /** The next frame that is not a heartbeat. */
  next(): Promise<Frame> {
    return this.frames.take('a frame');
  }

  /** The next frame of this type; other frames are skipped. */
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

  /** Sends a `normalReceipt` for a received frame. */
  accept(frame: Frame, seq: number): void {
    const { clientMsgID, sendTime } = frame;
    const place = { messageID: String(1024 * seq), conversationID: 'p_x', seq, serverTime: '1700000000000' };
    this.send({ messageType: 'normalReceipt', ...place, clientMsgID, sendTime });
  }

  error(frame: Frame, name = 'unavailable', code = 2001): void {
    const { clientMsgID } = frame;
    this.send({ messageType: 'error', code, name, temporary: true, reason: 'simulated by a test', clientMsgID });
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

/** A delivery to `alice` in a pair conversation; `n` is its inboxSeq and seq, and the position of its messageID. */
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
