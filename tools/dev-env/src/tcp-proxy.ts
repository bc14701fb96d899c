import { once } from 'node:events';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { freePort } from './ports.js';
import { Pipe, type Rules } from './tcp-pipe.js';

export interface TcpProxyOptions {
  target: { host: string; port: number };
  /** Default: any free one. */
  port?: number;
}

/** Bytes to look for, also across chunks, or a predicate on each chunk. */
export type ResponseMatch = string | Uint8Array | ((chunk: Buffer) => boolean);

/**
 * A TCP proxy on 127.0.0.1 that breaks things on command. The state is one of *forwarding*, *cut* and *black hole*;
 * latency and splitting apply while forwarding, to both directions.
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
    // Reserved, for it is to be the same one after `cut()`.
    await proxy.#listen(options.port ?? (await freePort()));
    return proxy;
  }

  get port(): number {
    return this.#port;
  }

  /** Connections open on the client's side. */
  get connections(): number {
    return this.#links.size;
  }

  /** New connections go there. */
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
   * Half-open: connections stay, new ones are accepted, and every byte either way is swallowed. A connection that lost
   * bytes is useless afterwards: `heal()` resets it.
   */
  blackhole(): void {
    this.#swallowing = true;
  }

  /**
   * The connections there are stay, and nothing is read from them any more, either way: what is written piles up with who writes it.
   * New ones are forwarded. `heal()` resets the stalled ones.
   */
  stall(): void {
    for (const link of this.#links) link.stall();
  }

  /**
   * On the connections there are, what the target says is passed on at so many bytes a second, at most; further ones are not concerned.
   * Infinity ends it, and so does `heal()`.
   */
  throttle(bytesPerSecond: number): void {
    for (const link of this.#links) link.throttle(bytesPerSecond);
  }

  /**
   * Forwarding again, on the same port, without latency, splitting and throttling. Connections that lost nothing go on, and
   * responses that were to be dropped and did not come are let through.
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

  /** Delays every byte by `ms` each way, in order. */
  latency(ms: number): void {
    this.#rules.latencyMs = ms;
  }

  /** Writes at most `n` bytes at a time, a turn of the event loop apart; 0 ends it. */
  splitBytes(n: number): void {
    this.#rules.splitBytes = n;
  }

  /**
   * "The request was carried out and the answer never came": swallows, once, the first bytes from the target that match,
   * with all that follows on that connection, and resets it (or leaves it: what is asked still arrives, and no answer ever comes).
   * Resolves when that has happened.
   */
  dropResponsesOnce(match: ResponseMatch, then: 'reset' | 'silence' = 'reset'): Promise<void> {
    return new Promise((resolve) => this.#traps.push({ match, then, sprung: resolve }));
  }

  async stop(): Promise<void> {
    await this.cut();
  }

  async #listen(port: number): Promise<void> {
    // Half-open allowed: an end is passed on as an end, and the other direction goes on.
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
  /** Bytes were swallowed, or nobody is at the other end. */
  damaged: boolean;
  /** Per trap: the end of what came before, to find bytes that are spread over chunks. */
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

  /** A reset, not an orderly end: both sides get ECONNRESET. */
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
