import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

export type Frame = Record<string, unknown>;

interface Waiting {
  readonly matches: (frame: Frame) => boolean;
  readonly resolve: (frame: Frame) => void;
}

/** A client that says what it is told to and remembers everything it was sent. Waits are for conditions, with a bound. */
export class TestClient {
  /** Every frame in order; an offline batch counts as its entries. */
  readonly frames: Frame[] = [];
  /** Lines as they came: an array is one. */
  readonly lines: unknown[] = [];
  private rest = '';
  private readonly waiting = new Set<Waiting>();
  private readonly closing: Promise<void>;

  private constructor(readonly socket: Socket) {
    socket.setEncoding('utf8');
    socket.on('data', (text: unknown) => this.read(text as string));
    socket.on('error', () => undefined);
    this.closing = new Promise((resolve) => socket.on('close', () => resolve()));
  }

  /**
   * @param ca speaks TLS and trusts this certificate
   * @param localAddress another address of this machine to come from
   */
  static async connect(port: number, ca?: string, localAddress?: string): Promise<TestClient> {
    const where = { port, host: '127.0.0.1', ...(localAddress && { localAddress }) };
    const socket = ca ? connectTls({ ...where, ca, servername: 'localhost' }) : connectTcp(where);
    await new Promise<void>((resolve, reject) => {
      socket.once(ca ? 'secureConnect' : 'connect', resolve);
      socket.once('error', reject);
    });
    return new TestClient(socket);
  }

  send(...frames: Frame[]): void {
    this.raw(frames.map((frame) => `${JSON.stringify(frame)}\n`).join(''));
  }

  raw(bytes: string | Uint8Array): void {
    this.socket.write(bytes);
  }

  /** The first frame, of those that came and those that will, that is like `part`. */
  frame(part: Frame | ((frame: Frame) => boolean), timeoutMs = 5_000): Promise<Frame> {
    const matches = typeof part === 'function' ? part : (frame: Frame): boolean => isLike(frame, part);
    const there = this.frames.find(matches);
    if (there) return Promise.resolve(there);
    return new Promise((resolve, reject) => {
      const waiting = { matches, resolve: done };
      const timer = setTimeout(() => {
        this.waiting.delete(waiting);
        const seen = JSON.stringify(this.frames.slice(-5));
        reject(new Error(`no such frame in ${timeoutMs} ms: ${JSON.stringify(part) ?? 'a predicate'}; last: ${seen}`));
      }, timeoutMs);
      function done(frame: Frame): void {
        clearTimeout(timer);
        resolve(frame);
      }
      this.waiting.add(waiting);
    });
  }

  all(part: Frame): Frame[] {
    return this.frames.filter((frame) => isLike(frame, part));
  }

  /** Entries of the inbox in the order they came, repeats included. */
  get delivered(): number[] {
    return this.frames
      .filter((frame) => frame.inboxSeq !== undefined && frame.content)
      .map((f) => f.inboxSeq as number);
  }

  /** Resolves when the connection is gone. */
  async closed(timeoutMs = 5_000): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`still connected after ${timeoutMs} ms`)), timeoutMs);
    });
    await Promise.race([this.closing, late]).finally(() => clearTimeout(timer));
  }

  destroy(): void {
    this.socket.destroy();
  }

  private read(text: string): void {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop() ?? '';
    for (const line of lines) {
      const parsed = JSON.parse(line) as Frame | Frame[];
      this.lines.push(parsed);
      for (const frame of Array.isArray(parsed) ? parsed : [parsed]) this.take(frame);
    }
  }

  private take(frame: Frame): void {
    this.frames.push(frame);
    for (const waiting of this.waiting) {
      if (!waiting.matches(frame)) continue;
      this.waiting.delete(waiting);
      waiting.resolve(frame);
    }
  }
}

const isLike = (frame: Frame, part: Frame): boolean =>
  Object.entries(part).every(([key, value]) => frame[key] === value);
