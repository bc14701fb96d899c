import { once } from 'node:events';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { freePort } from './ports.js';
import { Pipe, type Rules } from './tcp-pipe.js';

export interface TcpProxyOptions {
  target: { host: string; port: number };
  /** Default: any free port. */
  port?: number;
}

/** Bytes to search for, also across chunks, or a predicate on each chunk. */
export type ResponseMatch = string | Uint8Array | ((chunk: Buffer) => boolean);

/**
 * A TCP proxy on 127.0.0.1 that injects faults on command. Its state is *forwarding*, *cut* or *black hole*; latency
 * and splitting apply while forwarding, to both directions.
 */
export class TcpProxy {
  readonly host = '127.0.0.1';
  #server: Server | undefined;
  #port = 0;
  #links = new Set<Link>();
  #swallowing = false;
  #rules: Rules = { latencyMs: 0, splitBytes: 0 };
  #traps: Trap[] = [];

  private constructor(private target: { host: string; port: number }) {}

  static async start(options: TcpProxyOptions): Promise<TcpProxy> {
    const proxy = new TcpProxy(options.target);
    // The port is reserved so that `heal()` can reopen it after `cut()`.
    await proxy.#listen(options.port ?? (await freePort()));
    return proxy;
  }

  get port(): number {
    return this.#port;
  }

  /** Number of connections open on the client's side. */
  get connections(): number {
    return this.#links.size;
  }

  /** Changes the target of new connections. */
  retarget(target: { host: string; port: number }): void {
    this.target = target;
  }

  /** Resets every connection; new ones are refused until `heal()`. */
  async cut(): Promise<void> {
    await this.#unlisten();
    this.reset();
  }

  /** Resets every connection; new ones are accepted. */
  reset(): void {
    for (const link of this.#links) link.destroy();
  }

  /**
   * Half-open: connections stay, new ones are accepted, and every byte in either direction is dropped. `heal()` resets
   * the connections that lost bytes.
   */
  blackhole(): void {
    this.#swallowing = true;
  }

  /**
   * Stops reading from existing connections in both directions, so that data accumulates at the writer. New connections
   * are forwarded. `heal()` resets the stalled ones.
   */
  stall(): void {
    for (const link of this.#links) link.stall();
  }

  /**
   * Limits what the target sends on existing connections, in bytes per second; later connections are not limited.
   * Infinity or `heal()` ends the limit.
   */
  throttle(bytesPerSecond: number): void {
    for (const link of this.#links) link.throttle(bytesPerSecond);
  }

  /**
   * Forwards again on the same port, without latency, splitting and throttling. Connections that lost no bytes
   * continue. Pending `dropResponsesOnce` requests are cancelled.
   */
  async heal(): Promise<void> {
    this.#swallowing = false;
    this.#rules.latencyMs = 0;
    this.#rules.splitBytes = 0;
    this.#traps = [];
    this.throttle(Infinity);
    for (const link of this.#links) if (link.damaged) link.destroy();
    if (!this.#server) await this.#listen(this.#port);
  }

  /** Delays every byte by `ms` in each direction, in order. */
  latency(ms: number): void {
    this.#rules.latencyMs = ms;
  }

  /** Writes at most `n` bytes at a time, one per turn of the event loop; 0 ends it. */
  splitBytes(n: number): void {
    this.#rules.splitBytes = n;
  }

  /**
   * Simulates a request that was carried out but whose answer was lost. Drops, once, the first bytes from the target
   * that match and all that follow on that connection. Then resets the connection, or with `silence` keeps it and
   * forwards requests only. Resolves when the bytes were dropped.
   */
  dropResponsesOnce(match: ResponseMatch, then: 'reset' | 'silence' = 'reset'): Promise<void> {
    return new Promise((resolve) => this.#traps.push({ match, then, sprung: resolve }));
  }

  async stop(): Promise<void> {
    await this.cut();
  }

  async #listen(port: number): Promise<void> {
    // Half-open sockets allowed: an end is passed on, and the other direction continues.
    const server = createServer({ noDelay: true, pauseOnConnect: true, allowHalfOpen: true }, (client) =>
      this.#accept(client),
    );
    server.listen({ port, host: this.host });
    await once(server, 'listening');
    this.#server = server;
    this.#port = (server.address() as { port: number }).port;
  }

  async #unlisten(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (!server) return;
    const closed = once(server, 'close');
    server.close();
    this.reset();
    await closed;
  }

  #accept(client: Socket): void {
    const target = this.#swallowing
      ? undefined
      : createConnection({ ...this.target, noDelay: true, allowHalfOpen: true });
    const link = new Link(client, target, this.#rules, {
      swallowing: () => this.#swallowing,
      caught: (chunk, tails) => this.#springTrap(chunk, tails),
      closed: () => this.#links.delete(link),
    });
    this.#links.add(link);
  }

  #springTrap(chunk: Buffer, tails: Map<object, Buffer>): Trap['then'] | undefined {
    const trap = this.#traps.find((each) => matches(each.match, chunk, each, tails));
    if (!trap) return undefined;
    this.#traps.splice(this.#traps.indexOf(trap), 1);
    trap.sprung();
    return trap.then;
  }
}

interface Trap {
  match: ResponseMatch;
  then: 'reset' | 'silence';
  sprung: () => void;
}

interface LinkRules {
  swallowing: () => boolean;
  caught: (chunk: Buffer, tails: Map<object, Buffer>) => Trap['then'] | undefined;
  closed: () => void;
}

/** One connection through the proxy: two sockets, two pipes. */
class Link {
  /** Bytes were dropped, or there is no connection to the target. */
  damaged: boolean;
  /** Per trap: the last bytes of earlier chunks, to match bytes across chunks. */
  #tails = new Map<object, Buffer>();
  #silent = false;
  readonly #up: Pipe | undefined;
  readonly #down: Pipe | undefined;

  constructor(
    private readonly client: Socket,
    private readonly target: Socket | undefined,
    rules: Rules,
    private readonly hooks: LinkRules,
  ) {
    this.damaged = target === undefined;
    for (const socket of [client, target]) {
      socket?.on('error', () => this.destroy());
      socket?.once('close', () => this.destroy());
    }
    client.once('close', () => hooks.closed());
    const up = (this.#up = target && new Pipe(target, client, rules));
    const down = (this.#down = target && new Pipe(client, target, rules));
    client.on('data', (chunk) => (this.#swallows() ? undefined : up?.push(chunk)));
    client.on('end', () => (this.#swallows() ? undefined : up?.end()));
    target?.on('data', (chunk) => {
      if (this.#silent || this.#swallows()) return;
      const then = hooks.caught(chunk, this.#tails);
      if (then === undefined) down?.push(chunk);
      else this.#eat(then);
    });
    target?.on('end', () => (this.#silent || this.#swallows() ? undefined : down?.end()));
    client.resume();
  }

  stall(): void {
    this.damaged = true;
    for (const pipe of [this.#up, this.#down]) pipe?.stall();
  }

  throttle(bytesPerSecond: number): void {
    this.#down?.throttle(bytesPerSecond);
  }

  /** Resets both sockets instead of ending them, so that both sides get ECONNRESET. */
  destroy(): void {
    for (const socket of [this.client, this.target]) {
      if (socket && !socket.destroyed) socket.resetAndDestroy();
    }
  }

  #swallows(): boolean {
    if (!this.hooks.swallowing()) return false;
    this.damaged = true;
    return true;
  }

  #eat(then: Trap['then']): void {
    this.damaged = true;
    if (then === 'reset') this.destroy();
    else this.#silent = true;
  }
}

function matches(match: ResponseMatch, chunk: Buffer, key: object, tails: Map<object, Buffer>): boolean {
  if (typeof match === 'function') return match(chunk);
  const wanted = typeof match === 'string' ? Buffer.from(match) : Buffer.from(match);
  const text = Buffer.concat([tails.get(key) ?? Buffer.alloc(0), chunk]);
  tails.set(key, text.subarray(Math.max(0, text.length - wanted.length + 1)));
  return text.includes(wanted);
}
