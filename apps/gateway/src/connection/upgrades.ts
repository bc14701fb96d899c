import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import type { CloseName } from '@huizhi/protocol';
import type { Logger } from '@huizhi/runtime';
import { WebSocketServer } from 'ws';
import { httpRefused } from '../events.js';
import { OncePerInterval } from '../timing/once-per-interval.js';
import { encodeAnswer, optionsAnswer, refusalAnswer, type HttpRefusal } from './http-answers.js';
import { isAllowedOrigin } from './origins.js';
import type { TrustedProxies } from './trusted-proxies.js';
import { HandshakenSocket } from './handshaken-socket.js';
import type { Tunnel } from './tunnel.js';

export interface UpgradeSettings {
  readonly HZ_LOGIN_BYTES: number;
  readonly HZ_FRAME_BYTES: number;
  /** Comma-separated. */
  readonly HZ_ALLOWED_ORIGINS: string;
}

export interface UpgradeParts {
  readonly settings: UpgradeSettings;
  readonly proxies: Pick<TrustedProxies, 'clientOf'>;
  readonly log: Logger;
  readonly now: () => number;
  /** False once the gateway stops, so that load balancers send no new clients. */
  readonly isAccepting: () => boolean;
}

/** Optional subprotocol, accepted when the client offers it. */
const SUBPROTOCOL = 'huizhi';
const PATHS = new Set(['/', '/ws']);
const HEALTH_PATH = '/healthz';
const WEB_SOCKET_VERSION = '13';
/** Base64 of 16 bytes. */
const KEY = /^[+/0-9A-Za-z]{22}==$/;
/** Least time between two log lines for the same refusal reason. */
const REFUSAL_LOG_INTERVAL_MS = 10_000;
const MAX_QUOTED = 200;
/** Messages are small, so more fragments indicate abuse. */
const MAX_FRAGMENTS = 64;
/** HTTP answers for connections that are closed before their upgrade is done. */
const CLOSES: Partial<Record<CloseName, [refusal: HttpRefusal, text: string]>> = {
  loginTimeout: ['slow', 'The request did not come in time.'],
  frameTooLarge: ['tooLarge', 'The request is too large.'],
  drain: ['draining', 'This gateway is shutting down: connect to another one.'],
};

/**
 * The HTTP server of the client port: upgrades WebSockets, answers health checks and refuses other requests. It does
 * not listen; it is given tunnels.
 */
export class Upgrades {
  private readonly http: Server;
  private readonly webSockets: WebSocketServer;
  private readonly origins: ReadonlySet<string>;
  private readonly logged: OncePerInterval<HttpRefusal>;

  constructor(private readonly parts: UpgradeParts) {
    const { HZ_LOGIN_BYTES, HZ_FRAME_BYTES, HZ_ALLOWED_ORIGINS } = parts.settings;
    this.logged = new OncePerInterval(REFUSAL_LOG_INTERVAL_MS, parts.now);
    this.origins = new Set(
      HZ_ALLOWED_ORIGINS.toLowerCase()
        .split(',')
        .filter((origin) => origin !== ''),
    );
    this.webSockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: HZ_FRAME_BYTES,
      maxFragments: MAX_FRAGMENTS,
      // The codec's own decoder validates UTF-8, once.
      skipUTF8Validation: true,
      // The library would end a connection after 60 pings in one chunk; here pings count against the frame rate.
      autoPong: false,
      handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
      WebSocket: HandshakenSocket,
    });
    this.webSockets.on('wsClientError', (error, socket) => this.refuse(socket, 'handshake', `${error.message}.`));
    // Node's own answer to a missing Host header has no body.
    this.http = createServer({ maxHeaderSize: HZ_LOGIN_BYTES, requireHostHeader: false });
    for (const event of ['request', 'checkContinue']) {
      this.http.on(event, (request: IncomingMessage) => this.answer(request, request.socket));
    }
    this.http.on('checkExpectation', ({ socket }) =>
      this.refuse(socket, 'expectation', 'This expectation is not supported.'),
    );
    this.http.on('connect', (request, socket) => this.answer(request, socket));
    this.http.on('upgrade', (request, socket, head) => this.answer(request, socket, head));
    this.http.on('clientError', (error: NodeJS.ErrnoException, socket) => this.failed(error, socket));
  }

  accept(tunnel: Tunnel): void {
    this.http.emit('connection', tunnel);
  }

  /** The HTTP answer to a client whose upgrade is not done. */
  encodeClose(name: CloseName): string {
    const [refusal, text] = CLOSES[name] ?? ['malformed', 'The request cannot be read.'];
    this.count(refusal, text);
    return refusalAnswer(refusal, text);
  }

  /** @param head the first bytes after a request that asks for an upgrade */
  private answer(request: IncomingMessage, socket: Duplex, head?: Buffer): void {
    const { method, headers, httpVersion } = request;
    const path = pathOf(request);
    const isHead = method === 'HEAD';
    if (headers.host === undefined && httpVersion !== '1.0') {
      return this.refuse(socket, 'host', 'The request has no Host header.');
    }
    if (path !== HEALTH_PATH && path !== '*' && !PATHS.has(path)) {
      return this.refuse(socket, 'path', 'Not found: WebSockets are at / and /ws.', isHead);
    }
    if (method === 'OPTIONS') return void socket.end(optionsAnswer());
    if (method !== 'GET' && !isHead) return this.refuse(socket, 'method', 'Only GET, HEAD and OPTIONS are supported.');
    if (path === HEALTH_PATH) return this.health(socket, isHead);
    // An upgrade to another protocol is refused like a request without an upgrade.
    if (!head || isHead || headers.upgrade?.toLowerCase() !== 'websocket') {
      return this.refuse(socket, 'noUpgrade', 'WebSockets only: the request must ask for an upgrade.', isHead);
    }
    this.upgrade(request, socket, head);
  }

  private health(socket: Duplex, isHead: boolean): void {
    const [status, text] = this.parts.isAccepting() ? [200, 'ok'] : [503, 'draining'];
    socket.end(encodeAnswer({ status, text, isHead }));
  }

  private upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { headers, httpVersion } = request;
    if (httpVersion === '1.0') {
      return this.refuse(socket, 'httpVersion', 'A WebSocket needs HTTP/1.1 (nginx: proxy_http_version 1.1).');
    }
    if (headers['sec-websocket-version'] !== WEB_SOCKET_VERSION) {
      return this.refuse(socket, 'webSocketVersion', 'Sec-WebSocket-Version must be 13.');
    }
    if (!KEY.test(headers['sec-websocket-key'] ?? '')) {
      return this.refuse(socket, 'handshake', 'Sec-WebSocket-Key is missing or invalid.');
    }
    const { origin, host } = headers;
    if (!isAllowedOrigin(origin, host, this.origins)) {
      return this.refuse(socket, 'origin', this.whyNotAllowed(origin, host));
    }
    const address = this.parts.proxies.clientOf(headers);
    const limit = address === undefined ? undefined : (socket as Tunnel).ends.forwarded(address);
    if (limit) return this.refuse(socket, limit, 'Too many connections from this address: retry later.');
    this.webSockets.handleUpgrade(request, socket, head, (webSocket) =>
      (socket as Tunnel).ends.opened(webSocket as HandshakenSocket, head),
    );
  }

  private whyNotAllowed(origin = '', host = ''): string {
    if (this.origins.size > 0) return `The origin ${quoted(origin)} is not in HZ_ALLOWED_ORIGINS.`;
    return (
      `The origin ${quoted(origin)} does not match the host ${quoted(host)}. A proxy in between must pass on the Host header ` +
      '(nginx: proxy_set_header Host $http_host); pages of other origins must be in HZ_ALLOWED_ORIGINS.'
    );
  }

  private failed({ code }: NodeJS.ErrnoException, socket: Duplex): void {
    if (code === 'HPE_HEADER_OVERFLOW') this.refuse(socket, 'tooLarge', 'The headers are too large.');
    else if (code === 'HPE_PAUSED_H2_UPGRADE') this.refuse(socket, 'http2', 'Only HTTP/1.1 is supported.');
    else this.refuse(socket, 'malformed', 'This is not HTTP/1.1.');
  }

  private refuse(socket: Duplex, refusal: HttpRefusal, text: string, isHead = false): void {
    if (!socket.writable) return void socket.destroy();
    this.count(refusal, text);
    socket.end(refusalAnswer(refusal, text, isHead));
  }

  private count(refusal: HttpRefusal, text: string): void {
    httpRefused(this.parts.log, refusal, text, this.logged.pass(refusal));
  }
}

/** The path without query; a proxy may send the whole URL. */
const pathOf = ({ url = '' }: IncomingMessage): string =>
  url.replace(/^https?:\/\/[^/?]*/i, '').split('?', 1)[0] || (url === '' ? '' : '/');

/** Quotes text from a client for a plain-text body and the log. */
const quoted = (text: string): string => JSON.stringify(text.slice(0, MAX_QUOTED).replace(/[^\x20-\x7e]/g, '?'));
