import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import {
  Base64LinesDecoder,
  encodeBase64Line,
  encodeHzFrame,
  encodeJsonLine,
  fromServer,
  HzDecoder,
  JsonLinesDecoder,
  MAX_SERVER_FRAME_BYTES,
  type Decoder,
  type ServerFrame,
} from '@huizhi/protocol';
import { WebSocket } from 'ws';

export type Frame = Record<string, unknown>;

interface Waiting {
  readonly matches: (frame: Frame) => boolean;
  readonly resolve: (frame: Frame) => void;
}

/** Records all received frames. Tests wait for conditions, with a timeout. */
abstract class FrameWaiter {
  /** Every frame in order; an offline batch counts as its entries. */
  readonly frames: Frame[] = [];
  /** Frames as received: an offline batch is one item. */
  readonly lines: unknown[] = [];
  /** Called with each frame as received. */
  onLine: (line: unknown) => void = () => undefined;
  protected abstract readonly closing: Promise<void>;
  private readonly waiting = new Set<Waiting>();

  abstract send(...frames: Frame[]): void;
  abstract destroy(): void;

  /** Resolves to the first frame, received already or later, that matches `part`. */
  frame(part: Frame | ((frame: Frame) => boolean), timeoutMs = 20_000): Promise<Frame> {
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

  /** `inboxSeq` of the received entries in order, repeats included. */
  get delivered(): number[] {
    return this.frames
      .filter((frame) => frame.inboxSeq !== undefined && frame.content)
      .map((f) => f.inboxSeq as number);
  }

  /** Resolves when the connection has closed. */
  async closed(timeoutMs = 20_000): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`still connected after ${timeoutMs} ms`)), timeoutMs);
    });
    await Promise.race([this.closing, late]).finally(() => clearTimeout(timer));
  }

  protected heard(frame: ServerFrame): void {
    this.lines.push(frame);
    for (const each of Array.isArray(frame) ? frame : [frame]) this.take(each);
    this.onLine(frame);
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

/** Encoding and decoding of a mode that uses a plain byte stream. */
interface WireCodec {
  readonly decoder: () => Decoder<ServerFrame>;
  readonly encode: (json: string) => string | Uint8Array;
}

export const wireCodecs = {
  'JSON lines': { decoder: () => new JsonLinesDecoder(MAX_SERVER_FRAME_BYTES, fromServer), encode: encodeJsonLine },
  'base64 lines': {
    decoder: () => new Base64LinesDecoder(MAX_SERVER_FRAME_BYTES, fromServer),
    encode: encodeBase64Line,
  },
  'HZ frames': { decoder: () => new HzDecoder(MAX_SERVER_FRAME_BYTES, fromServer), encode: encodeHzFrame },
} satisfies Record<string, WireCodec>;

/** A client on a plain TCP or TLS socket. */
export class TestClient extends FrameWaiter {
  protected readonly closing: Promise<void>;

  private constructor(
    readonly socket: Socket,
    private readonly speech: WireCodec,
  ) {
    super();
    const decoder = speech.decoder();
    socket.on('data', (bytes) => decoder.push(bytes, (frame) => this.heard(frame)));
    socket.on('error', () => undefined);
    this.closing = new Promise((resolve) => socket.on('close', () => resolve()));
  }

  /**
   * @param ca connects with TLS and trusts this certificate
   * @param localAddress another local address to connect from
   */
  static async connect(
    port: number,
    ca?: string,
    localAddress?: string,
    speech: WireCodec = wireCodecs['JSON lines'],
  ): Promise<TestClient> {
    const where = { port, host: '127.0.0.1', ...(localAddress && { localAddress }) };
    const socket = ca ? connectTls({ ...where, ca, servername: 'localhost' }) : connectTcp(where);
    await new Promise<void>((resolve, reject) => {
      socket.once(ca ? 'secureConnect' : 'connect', resolve);
      socket.once('error', reject);
    });
    return new TestClient(socket, speech);
  }

  send(...frames: Frame[]): void {
    // One write, so that the gateway reads all frames in one event-loop turn.
    this.raw(Buffer.concat(frames.map((frame) => Buffer.from(this.speech.encode(JSON.stringify(frame))))));
  }

  raw(bytes: string | Uint8Array): void {
    this.socket.write(bytes);
  }

  destroy(): void {
    this.socket.destroy();
  }
}

/** The same on a WebSocket. */
export class WebSocketTestClient extends FrameWaiter {
  /** Code of the received close frame, if any: a code of the close table. */
  code: number | undefined;
  reason: string | undefined;
  protected readonly closing: Promise<void>;

  private constructor(readonly webSocket: WebSocket) {
    super();
    webSocket.on('message', (data) => this.heard(JSON.parse((data as Buffer).toString()) as Frame | Frame[]));
    webSocket.on('error', () => undefined);
    this.closing = new Promise((resolve) =>
      webSocket.on('close', (code, reason) => {
        this.code = code;
        this.reason = reason.toString();
        resolve();
      }),
    );
  }

  /** @throws Error with the HTTP status when the upgrade is refused */
  static async connect(
    port: number,
    {
      ca,
      path = '/',
      origin,
      protocols = [],
      from,
      headers,
      autoPong = true,
    }: {
      ca?: string;
      path?: string;
      origin?: string;
      protocols?: string[];
      /** Another local address to connect from. */
      from?: string;
      headers?: Record<string, string>;
      autoPong?: boolean;
    } = {},
  ): Promise<WebSocketTestClient> {
    const url = `${ca ? 'wss' : 'ws'}://${from ? '127.0.0.1' : 'localhost'}:${port}${path}`;
    const webSocket = new WebSocket(url, protocols, {
      ...{ ca, origin, headers, autoPong, perMessageDeflate: true },
      ...(from && { localAddress: from }),
    });
    const client = new WebSocketTestClient(webSocket);
    await new Promise<void>((resolve, reject) => {
      webSocket.once('open', resolve);
      webSocket.once('error', reject);
    });
    return client;
  }

  send(...frames: Frame[]): void {
    // One write as well; the library has no API for it.
    const { _socket: socket } = this.webSocket as unknown as { _socket: Socket };
    socket.cork();
    for (const frame of frames) this.webSocket.send(JSON.stringify(frame));
    socket.uncork();
  }

  destroy(): void {
    this.webSocket.terminate();
  }
}

const isLike = (frame: Frame, part: Frame): boolean =>
  Object.entries(part).every(([key, value]) => frame[key] === value);
