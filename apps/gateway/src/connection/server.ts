import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { Logger } from '@huizhi/runtime';
import { refusedConnections } from '../metrics.js';
import type { Wheel } from '../time/wheel.js';
import { Arrivals, type Arrival } from './arrivals.js';
import { readCertificate, watchCertificate, type CertificateFiles } from './certificate.js';

export interface ServerSettings extends CertificateFiles {
  readonly GATEWAY_HOST: string;
  readonly GATEWAY_PORT: number;
  readonly TLS: 'on' | 'off';
  readonly TLS_RELOAD: number;
  readonly MAX_CONNECTIONS: number;
  readonly CONNECTIONS_PER_ADDRESS: number;
  readonly CONNECTS_PER_SECOND: number;
  readonly LOGIN_DEADLINE: number;
}

export interface ServerParts {
  readonly settings: ServerSettings;
  readonly log: Logger;
  readonly wheel: Wheel;
  readonly now: () => number;
  readonly accept: (socket: Socket, arrival: Arrival) => void;
}

/** The door for clients: TCP, and TLS over it. What comes in is handed on as a socket. */
export class ClientServer {
  private readonly server: Server;
  private readonly arrivals: Arrivals;
  private unwatch = (): void => undefined;

  constructor(private readonly parts: ServerParts) {
    const { settings, wheel, now, accept } = parts;
    const { CONNECTIONS_PER_ADDRESS, CONNECTS_PER_SECOND, LOGIN_DEADLINE } = settings;
    this.arrivals = new Arrivals(CONNECTIONS_PER_ADDRESS, CONNECTS_PER_SECOND, LOGIN_DEADLINE, wheel, now);
    const next = settings.TLS === 'on' ? this.throughTls() : accept;
    this.server = createTcpServer((socket) => {
      const arrival = this.arrivals.admit(socket);
      if (arrival) next(socket, arrival);
    });
    this.server.maxConnections = settings.MAX_CONNECTIONS;
    this.server.on('drop', () => refusedConnections.add('connections'));
  }

  get isListening(): boolean {
    return this.server.listening;
  }

  get port(): number {
    return (this.server.address() as AddressInfo | null)?.port ?? 0;
  }

  /** TCP connections there are, with those that have not finished TLS. */
  get accepted(): number {
    return this.arrivals.size;
  }

  async listen(): Promise<void> {
    const { settings, log } = this.parts;
    const { GATEWAY_HOST: host, GATEWAY_PORT: port } = settings;
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen({ host, port, backlog: 1_024 }, resolve);
    });
    this.server.on('error', (error) => log.error('server.error', { error }));
    log.info('server.listening', { host, port: this.port, tls: settings.TLS });
  }

  /** Accepts nobody any more; the connections there go on. */
  stop(): void {
    this.unwatch();
    this.server.close();
    this.arrivals.endHandshakes();
  }

  /** The TLS server listens nowhere: it is given what was admitted. */
  private throughTls(): (socket: Socket, arrival: Arrival) => void {
    const { settings, log } = this.parts;
    const tls = createTlsServer(readCertificate(settings));
    tls.on('secureConnection', (socket) => this.secured(socket));
    tls.on('tlsClientError', (_, socket) => socket.destroy());
    this.unwatch = watchCertificate(settings, tls, settings.TLS_RELOAD, log);
    return (socket, arrival) => {
      this.arrivals.shake(socket, arrival);
      tls.emit('connection', socket);
    };
  }

  private secured(socket: Socket): void {
    const arrival = this.arrivals.shaken(socket);
    if (arrival) this.parts.accept(socket, arrival);
    else socket.destroy();
  }
}
