import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { Logger } from '@huizhi/runtime';
import { readCertificate, watchCertificate, type CertificateFiles } from './certificate.js';

export interface ServerSettings extends CertificateFiles {
  readonly GATEWAY_HOST: string;
  readonly GATEWAY_PORT: number;
  readonly TLS: 'on' | 'off';
  readonly MAX_CONNECTIONS: number;
  readonly LOGIN_DEADLINE: number;
}

/** The door for clients: TLS over TCP. What comes in is handed on as a socket. */
export class ClientServer {
  private readonly server: Server;
  private unwatch = (): void => undefined;

  constructor(
    private readonly settings: ServerSettings,
    private readonly log: Logger,
    accept: (socket: Socket) => void,
  ) {
    this.server = settings.TLS === 'on' ? this.tlsServer(accept) : createTcpServer(accept);
    this.server.maxConnections = settings.MAX_CONNECTIONS;
  }

  get isListening(): boolean {
    return this.server.listening;
  }

  get port(): number {
    return (this.server.address() as AddressInfo | null)?.port ?? 0;
  }

  async listen(): Promise<void> {
    const { GATEWAY_HOST: host, GATEWAY_PORT: port } = this.settings;
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen({ host, port, backlog: 1_024 }, resolve);
    });
    this.server.on('error', (error) => this.log.error('server.error', { error }));
    this.log.info('server.listening', { host, port: this.port, tls: this.settings.TLS });
  }

  /** Accepts nobody any more; the connections there are go on. */
  stop(): void {
    this.unwatch();
    this.server.close();
  }

  private tlsServer(accept: (socket: Socket) => void): Server {
    const options = { ...readCertificate(this.settings), handshakeTimeout: this.settings.LOGIN_DEADLINE };
    const server = createTlsServer(options, accept);
    server.on('tlsClientError', (_, socket) => socket.destroy());
    this.unwatch = watchCertificate(this.settings, server, this.log);
    return server;
  }
}
