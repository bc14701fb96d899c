import type { Address } from '@huizhi/client';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import type { OnReadOpts } from 'node:net';
import { frameIn } from './scan.js';

const LF = 0x0a;
const LOGIN_MS = 30_000;

/** A parsed frame. The load tool trusts the fields that it reads to be present. */
export type LoadFrame = Record<string, unknown>;

/** TLS supports `onread`, but Node's types lack it. */
type ReadOptions = ConnectionOptions & { onread: OnReadOpts };

/** The read buffer of all sockets: its content is processed before the next read. */
const inbound = Buffer.allocUnsafeSlow(64 * 1024);

/** Connections with output to write when the current callback ends; each makes a single write. */
let waiting: LoadConnection[] = [];

/** Writes the pending output of all connections. Also runs automatically when the current callback ends. */
export function writeAll(): void {
  const connections = waiting;
  waiting = [];
  for (const connection of connections) connection.write();
}

/**
 * The protocol with minimal work, so that the generator costs less than the system it measures. It has no reconnects,
 * resends, storage or streams, and parses only frames that `onLine` rejects.
 */
export class LoadConnection {
  /**
   * Called with every line, as `text` from `start` to `end`, each character one byte. Returns whether it handled the
   * line; other lines are parsed and passed to `onFrame`.
   */
  onLine: (text: string, start: number, end: number) => boolean = () => false;
  onFrame: (frame: LoadFrame | LoadFrame[]) => void = () => undefined;
  /** Called once when the connection ends without `close()`. */
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

  /** Connects with a full handshake and logs in. Rejects with the refusal of the loginReceipt. */
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

  /** Sends the ASCII JSON text of a frame. It is written, with other pending frames, when the current callback ends. */
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
