import type { Mode } from '../address.js';
import { HuizhiClient } from '../node.js';
import type { Bounds, ClientOptions, Timings } from '../options.js';
import { FakeServer, type Peer } from './fake-server.js';

/** Limit for a hanging test in ms, not a measure of speed. */
const WAIT_MS = 20_000;

export type TestOptions = Partial<Omit<ClientOptions, 'timings' | 'bounds'>> & {
  timings?: Partial<Timings>;
  bounds?: Partial<Bounds>;
};

/** A fake server and its clients; `stop` checks that no sockets or timers remain. */
export class Harness {
  readonly server: FakeServer;
  private readonly clients: HuizhiClient[] = [];
  private readonly before = resources();

  private constructor(server: FakeServer) {
    this.server = server;
  }

  static async start(mode?: Mode): Promise<Harness> {
    return new Harness(await FakeServer.start(mode));
  }

  client(options: TestOptions = {}): HuizhiClient {
    const client = new HuizhiClient({
      address: this.server.address,
      user: 'alice',
      deviceID: 'phone',
      token: () => 'a-token',
      ...options,
      timings: {
        reconnect: { baseMs: 4, maxMs: 20 },
        resend: { baseMs: 4, maxMs: 20 },
        receiptMs: 5,
        ...options.timings,
      },
    });
    this.clients.push(client);
    return client;
  }

  /** A client that is online, and the server's end of its connection. */
  async online(options: TestOptions = {}, ...login: Parameters<FakeServer['loggedIn']>): Promise<[HuizhiClient, Peer]> {
    const client = this.client(options);
    const online = client.connect();
    const peer = await this.server.loggedIn(...login);
    await online;
    return [client, peer];
  }

  async stop(): Promise<void> {
    await Promise.all(this.clients.map((client) => client.close()));
    await this.server.stop();
    await until('sockets and timers to be gone', () => resources() <= this.before + 1);
  }
}

/** Number of sockets, servers and timers that keep the process alive. */
const resources = (): number =>
  process.getActiveResourcesInfo().filter((kind) => /^(TCP|TLS|Timeout|Pipe)/.test(kind) && kind !== 'PipeWrap').length;

/** Checks the condition each turn of the event loop; for conditions without an event. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = performance.now() + WAIT_MS;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited ${WAIT_MS} ms for ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** A promise and the function that resolves it. */
export function gate(): { opened: Promise<void>; open(): void } {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open };
}
