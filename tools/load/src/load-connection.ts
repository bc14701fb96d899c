import type { Address } from '@huizhi/client';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import type { OnReadOpts } from 'node:net';
import { frameIn } from './scan.js';

const LF = 0x0a;
const LOGIN_MS = 30_000;

/** A parsed frame; the load tool knows which fields it looks at and trusts them to be there. */
export type LoadFrame = Record<string, unknown>;

/** Node's types do not know that TLS takes this, too. */
type ReadOptions = ConnectionOptions & { onread: OnReadOpts };

/** Every socket is read into this one: what came is looked at before anything else is read. */
const inbound = Buffer.allocUnsafeSlow(64 * 1024);

/** What has something to write when the present callback ends: one write for each socket, whatever it was given. */
let waiting: LoadConnection[] = [];

/** Writes what all connections were given to send. Happens by itself, too, as soon as the present callback has ended. */
export function writeAll(): void {
  const connections = waiting;
  waiting = [];
  for (const connection of connections) connection.write();
}

/**
 * The protocol with as little work as possible, so that the generator costs less than what it measures: no reconnects, no
 * resends, no store, no stream of chunks, and a frame that its user can read without parsing is not parsed.
 */
export class LoadConnection {
  /**
   * Offered every line, as `text` from `start` to `end`, each character one byte. Answers whether it took it; what it does
   * not take is parsed and goes to `onFrame`.
   */
  onLine: (text: string, start: number, end: number) => boolean = () => false;
  onFrame: (frame: LoadFrame | LoadFrame[]) => void = () => undefined;
  /** Told once, when the connection ends and nobody asked for it. */
  onLost: (why: string) => void = () => undefined;
  private readonly socket: TLSSocket;
  private held = '';
  private out = '';
  private why = 'the connection was lost';
  private over = false;

  private constructor({ host, port, ca }: Address) {
    const onread = { buffer: inbound, callback: (length: number) => this.read(length) };
    this.socket = connectTls({ host, port, ca, session: undefined, onread } as ReadOptions);
    this.socket.setNoDelay(true);
    this.socket.on('error', (error: Error) => (this.why = error.message));
    this.socket.on('close', () => {
      if (!this.over) this.onLost(this.why);
      this.over = true;
    });
  }

  /** Connects with a full handshake and logs in. Rejects with what the loginReceipt said. */
  static open(address: Address, login: object): Promise<{ connection: LoadConnection; receipt: LoadFrame }> {
    return new Promise((resolve, reject) => {
      const connection = new LoadConnection(address);
      const timer = setTimeout(() => fail('no loginReceipt in time'), LOGIN_MS);
      const fail = (why: string): void => {
        clearTimeout(timer);
        connection.close();
        reject(new Error(`login failed: ${why}`));
      };
      connection.onLost = fail;
      connection.onFrame = (frame) => {
        if (Array.isArray(frame) || frame.messageType !== 'loginReceipt') return;
        if (frame.code !== 0) return fail(`${String(frame.name)}: ${String(frame.reason)}`);
        clearTimeout(timer);
        connection.onFrame = connection.onLost = () => undefined;
        resolve({ connection, receipt: frame });
      };
      connection.socket.once('secureConnect', () =>
        connection.send(JSON.stringify({ messageType: 'login', ...login })),
      );
    });
  }

  /** ASCII JSON text of a frame. It is written, with whatever else this connection is given, when the present callback ends. */
  send(text: string): void {
    if (this.over) return;
    if (this.out === '') {
      if (waiting.length === 0) process.nextTick(writeAll);
      waiting.push(this);
    }
    this.out += `${text}\n`;
  }

  write(): void {
    if (!this.over) this.socket.write(this.out, 'latin1');
    this.out = '';
  }

  close(): void {
    this.over = true;
    this.socket.destroy();
  }

  private read(length: number): boolean {
    const text = this.held + inbound.toString('latin1', 0, length);
    if (inbound[length - 1] !== LF && text.indexOf('\n', this.held.length) < 0) {
      this.held = text;
      return true;
    }
    let start = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
      if (!this.onLine(text, start, end)) this.parse(text, start, end);
      start = end + 1;
    }
    this.held = start < text.length ? text.slice(start) : '';
    return true;
  }

  private parse(text: string, start: number, end: number): void {
    const frame = frameIn(text, start, end) as LoadFrame | LoadFrame[];
    if (!Array.isArray(frame) && frame.messageType === 'close') {
      this.why = `closed by the server: ${String(frame.name)}`;
    }
    this.onFrame(frame);
  }
}
