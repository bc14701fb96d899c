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
import type { AddressLimit } from './connection-limiter.js';
import type { Codec, Written } from './codec.js';
import { MessageBounds } from './message-bounds.js';
import { Tunnel } from './tunnel.js';
import type { HandshakenSocket } from './handshaken-socket.js';
import type { Upgrades } from './upgrades.js';

/** Actions of a WebSocket outside of frames, reported to its connection. */
export interface WebSocketEvents {
  /** Bytes to write that are not a frame: an HTTP answer, a pong or a close. */
  answers(bytes: Uint8Array): void;
  /** A ping or an unsolicited pong came; the connection calls `answer` when it is within the rate. */
  controlled(answer: () => void): void;
  /** How many frames may be read now; at least one. */
  allowance(): number;
  /** A forwarding header of the upgrade names this client address. @returns the limit that is exceeded */
  forwarded(address: string): AddressLimit | undefined;
  /** The upgrade is done and the login phase begins; `early` bytes came after the request. */
  upgraded(early: number): void;
  failed(error: unknown): void;
  /** The client sent a close frame, or the upgrade was refused. */
  left(): void;
}

const CLOSE_TOO_LARGE = 1009;

/**
 * One text message is one frame. Input goes through a tunnel into the HTTP and WebSocket libraries. Their output comes
 * back synchronously while a frame is encoded, otherwise as an event.
 */
export class WebSocketCodec extends FrameDecoder<Frame> implements Codec {
  readonly decoder = this;
  private readonly tunnel: Tunnel;
  private socket: HandshakenSocket | undefined;
  private onFrame: OnFrame<Frame> = () => false;
  private onRefused: OnRefused | undefined;
  private collected: Uint8Array[] | undefined;
  private readonly bounds = new MessageBounds();
  private bytesBefore = 0;
  private over = false;
  /** A ping sent by the gateway is unanswered. */
  private isPinging = false;

  constructor(
    limit: number,
    private readonly upgrades: Upgrades,
    private readonly events: WebSocketEvents,
  ) {
    super(limit);
    this.tunnel = new Tunnel({
      wrote: (bytes) => (this.collected ? void this.collected.push(bytes) : events.answers(bytes)),
      opened: (socket, early) => this.opened(socket, early),
      forwarded: (address) => events.forwarded(address),
      ended: () => events.left(),
    });
    upgrades.accept(this.tunnel);
  }

  /** Bytes of an unfinished message, including control frames between its fragments; before the upgrade, all bytes. */
  override get heldBytes(): number {
    return this.socket ? this.bounds.heldBytes : this.bytesBefore;
  }

  encode(json: string): Written {
    return this.collect((socket) => socket.send(json));
  }

  ping(): Written {
    this.isPinging = true;
    return this.collect((socket) => socket.ping());
  }

  encodeClose(close: string, name: CloseName): Written {
    if (!this.socket) return Buffer.from(this.upgrades.encodeClose(name));
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
    if (this.socket) return this.read(bytes);
    this.bytesBefore += bytes.length;
    this.tunnel.push(bytes);
  }

  /** Pushes at most as many frames as the rate allows; the bytes after a paused frame are kept. */
  private read(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length && !this.over;) {
      if (this.isPaused) return this.keep(bytes.subarray(at));
      const end = this.bounds.follow(bytes, at, this.events.allowance());
      this.tunnel.push(at === 0 && end === bytes.length ? bytes : bytes.subarray(at, end));
      if (this.bounds.isBroken) return this.fail(new ProtocolError('badFrame', 'a length is not minimal'));
      at = end;
    }
  }

  private collect(write: (socket: HandshakenSocket) => void): Written {
    const { socket } = this;
    if (socket?.readyState !== WebSocket.OPEN) return '';
    const collected: Uint8Array[] = (this.collected = []);
    write(socket);
    this.collected = undefined;
    return collected.length === 1 ? (collected[0] as Uint8Array) : Buffer.concat(collected);
  }

  /** The library reads the `early` bytes itself after this callback. */
  private opened(socket: HandshakenSocket, early: Uint8Array): void {
    this.socket = socket;
    this.bounds.follow(early);
    this.events.upgraded(early.length);
    socket.violated = (code) =>
      this.fail(
        new ProtocolError(code === CLOSE_TOO_LARGE ? 'frameTooLarge' : 'badFrame', 'a message is invalid or too large'),
      );
    socket.on('message', (data, isBinary) => this.message(data as Buffer, isBinary));
    socket.on('ping', (data) => this.control(() => this.pong(data)));
    socket.on('pong', this.ponged);
    // `violated` reports the error.
    socket.on('error', () => undefined);
    if (this.bounds.isBroken) this.fail(new ProtocolError('badFrame', 'a length is not minimal'));
  }

  private control(answer: () => void): void {
    if (!this.over) this.events.controlled(answer);
  }

  private pong(data: Buffer): void {
    if (!this.over && this.socket?.readyState === WebSocket.OPEN) this.socket.pong(data);
  }

  /** A pong that answers the gateway's own ping does not count as a frame. */
  private readonly ponged = (): void => {
    if (!this.isPinging) return this.control(() => undefined);
    this.isPinging = false;
  };

  private message(data: Buffer, isBinary: boolean): void {
    if (this.over) return;
    try {
      if (isBinary) throw new ProtocolError('badFrame', 'a message is binary');
      this.check(data.length, this.limit);
      this.over = !this.deliver(data, this.onFrame, this.onRefused);
    } catch (error) {
      // The error must not be thrown through the library, and no `push` may be on the call stack.
      this.fail(error);
    }
  }

  private fail(error: unknown): void {
    if (this.over) return;
    this.events.failed(error);
    this.over = true;
  }
}
