import { createServer, STATUS_CODES, type IncomingMessage, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocket, WebSocketServer } from 'ws';
import { isAllowedOrigin } from './origins.js';
import type { Tunnel } from './tunnel.js';

export interface UpgradeSettings {
  readonly LOGIN_BYTES: number;
  readonly FRAME_BYTES: number;
  /** Separated by commas. */
  readonly ALLOWED_ORIGINS: string;
}

/** Offered by a client that wants to be sure whom it talks to; optional. */
const SUBPROTOCOL = 'huizhi';
const PATHS = new Set(['/', '/ws']);
/** A frame is small: who cuts it into more pieces means to cost. */
const MAX_FRAGMENTS = 64;
/** Codes by which the library ends a connection whose bytes it cannot accept: not this protocol, not UTF-8, too many pieces, too large. */
const VIOLATIONS = new Set([1002, 1007, 1008, 1009]);

/** A WebSocket that does not close by itself for what it was sent: that is ours to say, by name. */
export class HandshakenSocket extends WebSocket {
  violated: (code: number) => void = (code) => super.close(code);

  override close(code?: number, reason?: string | Buffer): void {
    if (code !== undefined && VIOLATIONS.has(code)) this.violated(code);
    else super.close(code, reason);
  }
}

/** The HTTP of the clients' port: it turns requests into WebSockets and does nothing else. Listens nowhere: it is given tunnels. */
export class Upgrades {
  private readonly http: Server;
  private readonly webSockets: WebSocketServer;
  private readonly origins: ReadonlySet<string>;

  constructor({ LOGIN_BYTES, FRAME_BYTES, ALLOWED_ORIGINS }: UpgradeSettings) {
    this.origins = new Set(
      ALLOWED_ORIGINS.toLowerCase()
        .split(',')
        .filter((origin) => origin !== ''),
    );
    this.webSockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: FRAME_BYTES,
      maxFragments: MAX_FRAGMENTS,
      // The frame's own decoder looks at its text, once.
      skipUTF8Validation: true,
      handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
      WebSocket: HandshakenSocket,
    });
    this.http = createServer({ maxHeaderSize: LOGIN_BYTES }, (request, response) => {
      const status = isOurs(request) ? 426 : 404;
      response.writeHead(status, { Connection: 'close', ...(status === 426 && { Upgrade: 'websocket' }) });
      response.end(`${STATUS_CODES[status]}\n`);
    });
    this.http.on('upgrade', (request, socket, head) => this.upgrade(request, socket, head));
    this.http.on('clientError', (error: NodeJS.ErrnoException, socket) =>
      refuse(socket, error.code === 'HPE_HEADER_OVERFLOW' ? 431 : 400),
    );
  }

  accept(tunnel: Tunnel): void {
    this.http.emit('connection', tunnel);
  }

  private upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { origin, host } = request.headers;
    if (!isOurs(request)) return refuse(socket, 404);
    if (!isAllowedOrigin(origin, host, this.origins)) return refuse(socket, 403);
    this.webSockets.handleUpgrade(request, socket, head, (webSocket) =>
      (socket as Tunnel).ends.opened(webSocket as HandshakenSocket, head.length),
    );
  }
}

const isOurs = ({ url = '' }: IncomingMessage): boolean => PATHS.has(url.split('?', 1)[0] ?? '');

/** A whole answer of HTTP that ends the connection. */
export const answer = (status: number): string =>
  `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`;

function refuse(socket: Duplex, status: number): void {
  if (socket.writable) socket.end(answer(status));
  else socket.destroy();
}
