import { once } from 'node:events';
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';

/**
 * A proxy between a client and PostgreSQL. It can swallow requests, close instead of or after an answer, and translate
 * errors.
 */
export class PostgresProxy {
  swallow = false;
  cutAnswers = false;
  cutAfterAnswer = false;
  /** Simulates `lc_messages = vi_VN`, which few machines have installed. */
  speaksVietnamese = false;
  private server: Server | undefined;
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly target: URL,
    private port: number,
  ) {}

  static async before(url: string): Promise<PostgresProxy> {
    const proxy = new PostgresProxy(new URL(url), 0);
    await proxy.listen();
    return proxy;
  }

  get url(): string {
    const url = new URL(this.target);
    url.hostname = '127.0.0.1';
    url.port = String(this.port);
    return url.href;
  }

  async listen(): Promise<void> {
    this.server = createServer((client) => this.pass(client)).listen(this.port, '127.0.0.1');
    await once(this.server, 'listening');
    this.port = (this.server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.server?.close();
    if (this.server?.listening) await once(this.server, 'close');
  }

  private pass(client: Socket): void {
    const upstream = connect(Number(this.target.port || 5432), this.target.hostname);
    for (const socket of [client, upstream]) {
      this.sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => this.sockets.delete(socket));
    }
    client.on('data', (data) => this.swallow || upstream.write(data));
    upstream.on('data', (data) => {
      const answer = this.speaksVietnamese ? translated(data) : data;
      if (this.cutAnswers) client.destroy();
      else if (this.cutAfterAnswer) client.end(answer);
      else client.write(answer);
    });
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());
  }
}

/**
 * Translates the severity of errors to Vietnamese. The word has the same number of bytes, so message lengths stay
 * right.
 */
function translated(answer: Buffer): Buffer {
  const word = Buffer.from('SLỖI\0').toString('latin1');
  return Buffer.from(answer.toString('latin1').replaceAll('SERROR\0', word), 'latin1');
}
