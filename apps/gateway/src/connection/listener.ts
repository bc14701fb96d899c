import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { Logger } from '@huizhi/runtime';
import { refusedConnections } from '../metrics.js';
import { OncePerInterval } from '../timing/once-per-interval.js';
import type { TimingWheel } from '../timing/timing-wheel.js';
import { ConnectionLimiter, type Arrival } from './connection-limiter.js';
import { readCertificate, watchCertificate, type CertificateFiles } from './certificate.js';
import { ProxyHeaderError, readProxyHeader } from './proxy-header.js';
import type { TrustedProxies } from './trusted-proxies.js';

/** Least time between two log lines for the same refusal reason. */
const REFUSAL_LOG_INTERVAL_MS = 10_000;

export interface ServerSettings extends CertificateFiles {
  readonly HZ_GATEWAY_HOST: string;
  readonly HZ_GATEWAY_PORT: number;
  readonly HZ_TLS: 'on' | 'off';
  readonly HZ_TLS_RELOAD: number;
  readonly HZ_MAX_CONNECTIONS: number;
  readonly HZ_CONNECTIONS_PER_ADDRESS: number;
  readonly HZ_CONNECTS_PER_SECOND: number;
  readonly HZ_LOGIN_DEADLINE: number;
  readonly HZ_PROXY_PROTOCOL: 'on' | 'off';
}

export interface ServerParts {
  readonly settings: ServerSettings;
  readonly log: Logger;
  readonly wheel: TimingWheel;
  readonly now: () => number;
  readonly proxies: Pick<TrustedProxies, 'has'>;
  readonly accept: (socket: Socket, arrival: Arrival) => void;
}

/**
 * The server for clients: TCP, a PROXY header from trusted proxies, then TLS. Passes the resulting socket to `accept`.
 */
export class ClientServer {
  private readonly server: Server;
  private readonly limiter: ConnectionLimiter;
  private readonly refusals: OncePerInterval<string>;
  private unwatch = (): void => undefined;

  constructor(private readonly parts: ServerParts) {
    const { settings, wheel, now, proxies, accept } = parts;
    const { HZ_CONNECTIONS_PER_ADDRESS, HZ_CONNECTS_PER_SECOND, HZ_LOGIN_DEADLINE, HZ_PROXY_PROTOCOL } = settings;
    this.limiter = new ConnectionLimiter(
      HZ_CONNECTIONS_PER_ADDRESS,
      HZ_CONNECTS_PER_SECOND,
      HZ_LOGIN_DEADLINE,
      proxies,
      wheel,
      now,
    );
    this.refusals = new OncePerInterval(REFUSAL_LOG_INTERVAL_MS, now);
    const next = settings.HZ_TLS === 'on' ? this.throughTls() : accept;
    this.server = createTcpServer((socket) => {
      const arrival = this.limiter.accept(socket);
      if (!arrival) return;
      if (HZ_PROXY_PROTOCOL === 'on' && arrival.isFromProxy) this.afterProxyHeader(arrival, next);
      else next(socket, arrival);
    });
    this.server.maxConnections = settings.HZ_MAX_CONNECTIONS;
    this.server.on('drop', () => refusedConnections.add('connections'));
  }

  get isListening(): boolean {
    return this.server.listening;
  }

  get port(): number {
    return (this.server.address() as AddressInfo | null)?.port ?? 0;
  }

  /** Number of open TCP connections, including unfinished TLS handshakes. */
  get accepted(): number {
    return this.limiter.size;
  }

  async listen(): Promise<void> {
    const { settings, log } = this.parts;
    const { HZ_GATEWAY_HOST: host, HZ_GATEWAY_PORT: port } = settings;
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen({ host, port, backlog: 1_024 }, resolve);
    });
    this.server.on('error', (error) => log.error('server.error', { error }));
    log.info('server.listening', { host, port: this.port, tls: settings.HZ_TLS });
  }

  /** Stops accepting connections; established connections continue. */
  stop(): void {
    this.unwatch();
    this.server.close();
    this.limiter.endHandshakes();
  }

  /** The TLS server does not listen; it is given accepted TCP sockets. */
  private throughTls(): (socket: Socket, arrival: Arrival) => void {
    const { settings, log } = this.parts;
    const tls = createTlsServer(readCertificate(settings));
    tls.on('secureConnection', (socket) => this.secured(socket));
    tls.on('tlsClientError', (_, socket) => socket.destroy());
    this.unwatch = watchCertificate(settings, tls, settings.HZ_TLS_RELOAD, log);
    return (socket, arrival) => {
      this.limiter.startHandshake(arrival);
      tls.emit('connection', socket);
    };
  }

  /** The address in the header replaces the socket's address for all limits. */
  private afterProxyHeader(arrival: Arrival, next: (socket: Socket, arrival: Arrival) => void): void {
    const { socket } = arrival;
    this.limiter.begin(arrival);
    readProxyHeader(socket, (result) => {
      this.limiter.finish(arrival);
      if (result instanceof ProxyHeaderError) return this.refuseProxy(arrival, result);
      const limit = result.address === undefined ? undefined : arrival.attribute(result.address);
      if (limit) return this.limiter.refuse(arrival, limit);
      next(socket, arrival);
    });
  }

  private refuseProxy(arrival: Arrival, { message: reason }: ProxyHeaderError): void {
    const proxy = arrival.clientNetwork;
    this.limiter.refuse(arrival, 'proxyHeader');
    const heldBack = this.refusals.pass(reason);
    if (heldBack !== undefined) this.parts.log.warn('proxy.refused', { reason, proxy, heldBack });
  }

  private secured(socket: Socket): void {
    const arrival = this.limiter.finishHandshake(socket);
    if (arrival) this.parts.accept(socket, arrival);
    else socket.destroy();
  }
}
