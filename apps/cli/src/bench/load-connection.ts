import type { Address } from '@huizhi/client';
import { connect as connectTls, type TLSSocket } from 'node:tls';

const LF = 0x0a;
const LOGIN_MS = 30_000;

/** A parsed frame; the load tool knows which fields it looks at and trusts them to be there. */
export type LoadFrame = Record<string, unknown>;

/**
 * The protocol with as little work as possible, so that the generator costs less than what it measures: no reconnects, no
 * resends, no store. Lines of one read are cut out of one string.
 */
export class LoadConnection {
  onFrame: (frame: LoadFrame | LoadFrame[]) => void = () => undefined;
  /** Told once, when the connection ends and nobody asked for it. */
  onLost: (why: string) => void = () => undefined;
  private held: Buffer[] = [];
  private why = 'the connection was lost';
  private over = false;

  private constructor(private readonly socket: TLSSocket) {
    socket.on('data', (bytes: Buffer) => this.read(bytes));
    socket.on('error', (error: Error) => (this.why = error.message));
    socket.on('close', () => {
      if (!this.over) this.onLost(this.why);
      this.over = true;
    });
  }

  /** Connects with a full handshake and logs in. Rejects with what the loginReceipt said. */
  static open(address: Address, login: object): Promise<{ connection: LoadConnection; receipt: LoadFrame }> {
    const { host, port, ca } = address;
    return new Promise((resolve, reject) => {
      const socket = connectTls({ host, port, ca, session: undefined });
      socket.setNoDelay(true);
      const connection = new LoadConnection(socket);
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
      socket.once('secureConnect', () => connection.send(JSON.stringify({ messageType: 'login', ...login })));
    });
  }

  /** JSON text of a frame; several with line ends between them are one write. */
  send(text: string): void {
    if (!this.over) this.socket.write(`${text}\n`);
  }

  close(): void {
    this.over = true;
    this.socket.destroy();
  }

  private read(bytes: Buffer): void {
    const end = bytes.lastIndexOf(LF);
    if (end < 0) {
      this.held.push(bytes);
      return;
    }
    const whole = bytes.subarray(0, end);
    const text = (this.held.length > 0 ? Buffer.concat([...this.held, whole]) : whole).toString('utf8');
    this.held = end + 1 < bytes.length ? [bytes.subarray(end + 1)] : [];
    for (const line of text.split('\n')) {
      const frame = JSON.parse(line) as LoadFrame | LoadFrame[];
      if (!Array.isArray(frame) && frame.messageType === 'close')
        this.why = `closed by the server: ${String(frame.name)}`;
      this.onFrame(frame);
    }
  }
}
