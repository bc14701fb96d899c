import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import {
  encodeHzFrame,
  encodeJsonLine,
  HzDecoder,
  JsonLinesDecoder,
  parseObject,
  type Decoder,
} from '@huizhi/protocol/client';
import { WebSocketServer, type WebSocket } from 'ws';
import type { Mode } from '../address.js';

export type Frame = Record<string, unknown>;

/** The server's end of one connection, in any mode. */
export interface PeerWire {
  send(json: string): void;
  /** Writes raw bytes without the framing of the mode. */
  sendBytes(bytes: string | Uint8Array): void;
  /** Stops reading, so that the client's buffers fill. */
  pause(): void;
  /** Ends the connection in order; a WebSocket can send a code. */
  end(code?: number): void;
  cut(): void;
  onFrame(listener: (frame: Frame) => void): void;
  readonly closed: Promise<void>;
}

/** A listening server of one mode over plain TCP. */
export interface PeerServer {
  readonly port: number;
  /** While set, WebSocket upgrades are answered with this HTTP status. */
  refuseWith: number | undefined;
  stop(): Promise<void>;
}

const CLIENT_FRAME_BYTES = 65_536;

export function listen(mode: Mode, accept: (wire: PeerWire) => void): Promise<PeerServer> {
  switch (mode) {
    case 'lines':
      return listenTcp((socket) =>
        accept(new TcpWire(socket, new JsonLinesDecoder(CLIENT_FRAME_BYTES), encodeJsonLine)),
      );
    case 'frames':
      return listenTcp((socket) => accept(new TcpWire(socket, new HzDecoder(CLIENT_FRAME_BYTES), encodeHzFrame)));
    case 'websocket':
      return listenHttp(accept);
  }
}

async function listenTcp(accept: (socket: Socket) => void): Promise<PeerServer> {
  const server = createServer(accept);
  return listening(server, { refuseWith: undefined });
}

async function listenHttp(accept: (wire: PeerWire) => void): Promise<PeerServer> {
  const http = createHttpServer();
  const sockets = new WebSocketServer({
    noServer: true,
    handleProtocols: (offered) => (offered.has('huizhi') ? 'huizhi' : false),
  });
  const rules: { refuseWith: number | undefined } = { refuseWith: undefined };
  http.on('upgrade', (request, socket, head) => {
    if (rules.refuseWith !== undefined) return void socket.end(`HTTP/1.1 ${rules.refuseWith} No\r\n\r\n`);
    sockets.handleUpgrade(request, socket, head, (webSocket) => accept(new WebSocketWire(webSocket, socket as Socket)));
  });
  return listening(http, rules);
}

async function listening(server: Server, rules: { refuseWith: number | undefined }): Promise<PeerServer> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const stop = (): Promise<void> => new Promise((resolve) => server.close(() => resolve()));
  return Object.assign(rules, { port, stop });
}

class TcpWire implements PeerWire {
  readonly closed: Promise<void>;

  constructor(
    private readonly socket: Socket,
    private readonly decoder: Decoder,
    private readonly encode: (json: string) => string | Uint8Array,
  ) {
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
  }

  send(json: string): void {
    this.socket.write(this.encode(json));
  }

  sendBytes(bytes: string | Uint8Array): void {
    this.socket.write(bytes);
  }

  pause(): void {
    this.socket.pause();
  }

  end(): void {
    this.socket.end();
  }

  cut(): void {
    this.socket.destroy();
  }

  onFrame(listener: (frame: Frame) => void): void {
    this.socket.on('data', (bytes) => this.decoder.push(bytes, listener));
  }
}

class WebSocketWire implements PeerWire {
  readonly closed: Promise<void>;

  constructor(
    private readonly webSocket: WebSocket,
    private readonly socket: Socket,
  ) {
    webSocket.on('error', () => undefined);
    this.closed = new Promise((resolve) => webSocket.once('close', () => resolve()));
  }

  send(json: string): void {
    this.webSocket.send(json);
  }

  /** Sends text as a text message and bytes as a binary one. */
  sendBytes(bytes: string | Uint8Array): void {
    this.webSocket.send(bytes);
  }

  pause(): void {
    this.webSocket.pause();
  }

  end(code?: number): void {
    this.webSocket.close(code);
  }

  cut(): void {
    this.socket.destroy();
  }

  onFrame(listener: (frame: Frame) => void): void {
    this.webSocket.on('message', (data: Buffer) => listener(parseObject(data)));
  }
}
