import {
  closeTable,
  FrameDecoder,
  ProtocolError,
  type CloseName,
  type Frame,
  type OnFrame,
  type OnRefused,
} from '@huizhi/protocol';
import { WebSocket } from 'ws';
import type { Codec, Written } from './codec.js';
import { MessageBounds } from './message-bounds.js';
import { Tunnel } from './tunnel.js';
import { answer, type HandshakenSocket, type Upgrades } from './upgrades.js';

/** What a WebSocket does by itself, told to its connection. */
export interface WebSocketEvents {
  /** It has something to write that is no frame: an answer of HTTP, to a ping, to a close. */
  answers(bytes: Uint8Array): void;
  /** A ping or a pong came. */
  controlled(): void;
  /** The upgrade is done, and so many bytes came behind it: the login begins. */
  upgraded(early: number): void;
  failed(error: unknown): void;
  /** The other side has said goodbye, or the upgrade was refused. */
  left(): void;
}

/** What is answered to who goes before the upgrade is done. */
const STATUS: Partial<Record<CloseName, number>> = { loginTimeout: 408, frameTooLarge: 431, drain: 503 };
const CLOSE_TOO_LARGE = 1009;

/**
 * A frame is a text message. Bytes go through a tunnel into the libraries that know HTTP and WebSocket; what these write comes out of it
 * while a frame is encoded, or by itself.
 */
export class WebSocketCodec extends FrameDecoder<Frame> implements Codec {
  readonly decoder = this;
  private readonly tunnel: Tunnel;
  private socket: HandshakenSocket | undefined;
  private onFrame: OnFrame<Frame> = () => false;
  private onRefused: OnRefused | undefined;
  private collected: Uint8Array[] | undefined;
  private readonly bounds = new MessageBounds();
  private unfinished = 0;
  private over = false;

  constructor(
    limit: number,
    upgrades: Upgrades,
    private readonly events: WebSocketEvents,
  ) {
    super(limit);
    this.tunnel = new Tunnel({
      wrote: (bytes) => (this.collected ? void this.collected.push(bytes) : events.answers(bytes)),
      opened: (socket, early) => this.opened(socket, early),
      ended: () => events.left(),
    });
    upgrades.accept(this.tunnel);
  }

  /** Bytes of a message that has begun and not ended, pings between its pieces included; before the upgrade all there were. */
  override get heldBytes(): number {
    return this.unfinished;
  }

  encode(json: string): Written {
    return this.collect((socket) => socket.send(json));
  }

  farewell(close: string, name: CloseName): Written {
    if (!this.socket) return Buffer.from(answer(STATUS[name] ?? 400));
    this.over = true;
    return this.collect((socket) => {
      socket.send(close);
      socket.close(closeTable[name].code, name);
    });
  }

  end(): void {
    this.over = true;
    this.tunnel.destroy();
  }

  protected override cut(bytes: Uint8Array, onFrame: OnFrame<Frame>, onRefused: OnRefused | undefined): void {
    this.onFrame = onFrame;
    this.onRefused = onRefused;
    this.unfinished += bytes.length;
    this.tunnel.push(bytes);
  }

  private collect(write: (socket: HandshakenSocket) => void): Written {
    const { socket } = this;
    if (socket?.readyState !== WebSocket.OPEN) return '';
    const collected: Uint8Array[] = (this.collected = []);
    write(socket);
    this.collected = undefined;
    return collected.length === 1 ? (collected[0] as Uint8Array) : Buffer.concat(collected);
  }

  private opened(socket: HandshakenSocket, early: number): void {
    this.socket = socket;
    this.unfinished = early;
    this.events.upgraded(early);
    this.tunnel.on('data', this.passed);
    socket.violated = (code) =>
      this.fail(
        new ProtocolError(code === CLOSE_TOO_LARGE ? 'frameTooLarge' : 'badFrame', 'a message is not acceptable'),
      );
    socket.on('message', (data, isBinary) => this.message(data as Buffer, isBinary));
    socket.on('ping', this.control);
    socket.on('pong', this.control);
    // Said by `violated` already.
    socket.on('error', () => undefined);
  }

  /** The library had these bytes: while they are pushed, but for those that came with the upgrade, soon after. */
  private readonly passed = (bytes: Buffer): void => {
    this.bounds.push(bytes);
    this.unfinished = this.bounds.heldBytes;
  };

  private readonly control = (): void => {
    if (!this.over) this.events.controlled();
  };

  private message(data: Buffer, isBinary: boolean): void {
    if (this.over) return;
    try {
      if (isBinary) throw new ProtocolError('badFrame', 'a message is binary');
      this.check(data.length, this.limit);
      this.over = !this.deliver(data, this.onFrame, this.onRefused);
    } catch (error) {
      // Not to be thrown through the library, and it need not be in the middle of a push.
      this.fail(error);
    }
  }

  private fail(error: unknown): void {
    if (this.over) return;
    this.events.failed(error);
    this.over = true;
  }
}
