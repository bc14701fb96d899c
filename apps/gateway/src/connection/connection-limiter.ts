import type { Socket } from 'node:net';
import { refusedConnections } from '../metrics.js';
import { KeyedRateLimiter } from '../timing/keyed-rate-limiter.js';
import type { Timed, TimingWheel } from '../timing/timing-wheel.js';
import { withoutMapping, type TrustedProxies } from './trusted-proxies.js';

/** Those of so many seconds may come at once: where one address is an office, all of it comes back together. */
const BURST_S = 20;

export type AddressLimit = 'address' | 'rate';

/** A TCP connection since it was accepted, before TLS and the first frame. */
export class Arrival implements Timed {
  wheelAt = 0;
  /** The network its limits count for: see {@link clientNetworkOf}. */
  clientNetwork = '';
  /** It comes from a trusted proxy, which may still tell the address of its client. */
  isFromProxy = false;
  /** It is one of its network's connections. */
  isCounted = false;

  /** @param at when it came, by the gateway's clock: the PROXY header, TLS and the login have one deadline together */
  constructor(
    readonly at: number,
    readonly socket: Socket,
    private readonly limiter: ConnectionLimiter,
  ) {}

  /**
   * The connection is this address's from now on.
   * @returns the limit of that address which it exceeds; then it must be ended
   */
  attribute(address: string): AddressLimit | undefined {
    return this.limiter.attribute(this, address);
  }

  /** The deadline came before TLS was through: there is no way to tell the client. */
  due(): undefined {
    refusedConnections.add('handshake');
    this.socket.destroy();
    return undefined;
  }
}

/** Limits concurrent and new connections per client network, and tracks those that have not finished TLS. */
export class ConnectionLimiter {
  private readonly rate: KeyedRateLimiter;
  private readonly perNetwork = new Map<string, number>();
  private readonly unfinished = new Set<Arrival>();
  /** By the ends of the connection: TLS hands on another socket than came in; the two share their ends. */
  private readonly pendingHandshakes = new Map<string, Arrival>();
  private count = 0;

  constructor(
    private readonly mostPerOrigin: number,
    perSecond: number,
    private readonly deadlineMs: number,
    private readonly proxies: Pick<TrustedProxies, 'has'>,
    private readonly wheel: TimingWheel,
    private readonly now: () => number,
  ) {
    this.rate = new KeyedRateLimiter(perSecond, BURST_S * perSecond, now);
  }

  /** TCP connections there are. */
  get size(): number {
    return this.count;
  }

  /** Counts it until it is gone. Undefined: too many from there, or too quickly; it was ended. */
  accept(socket: Socket): Arrival | undefined {
    // A balancer's health check ends with a reset, perhaps before anything else listens for errors.
    socket.on('error', () => undefined);
    const arrival = new Arrival(this.now(), socket, this);
    const limit = this.attribute(arrival, socket.remoteAddress ?? '');
    if (limit) {
      this.refuse(arrival, limit);
      return undefined;
    }
    this.count += 1;
    socket.once('close', () => {
      this.count -= 1;
      this.uncount(arrival);
      this.finish(arrival);
    });
    return arrival;
  }

  /** Ends it without a word: before TLS there is none to be had. */
  refuse({ socket }: Arrival, why: AddressLimit | 'proxyHeader'): void {
    refusedConnections.add(why);
    socket.resetAndDestroy();
  }

  /** A trusted proxy is exempt: the clients behind it share its address, so one of them could use the limits up for all. */
  attribute(arrival: Arrival, address: string): AddressLimit | undefined {
    const isFromProxy = this.proxies.has(address);
    const origin = clientNetworkOf(address);
    if (!isFromProxy) {
      const there = this.perNetwork.get(origin) ?? 0;
      if (there >= this.mostPerOrigin) return 'address';
      if (!this.rate.take(origin)) return 'rate';
      this.perNetwork.set(origin, there + 1);
    }
    this.uncount(arrival);
    Object.assign(arrival, { origin, isFromProxy, isCounted: !isFromProxy });
    return undefined;
  }

  /** A PROXY header or TLS begins: the deadline ends the connection unless {@link finish} comes in time. */
  begin(arrival: Arrival): void {
    this.unfinished.add(arrival);
    this.wheel.arm(arrival, arrival.at + this.deadlineMs);
  }

  finish(arrival: Arrival): void {
    this.wheel.disarm(arrival);
    this.unfinished.delete(arrival);
  }

  /** TLS begins: see {@link begin}. */
  startHandshake(arrival: Arrival): void {
    const { socket } = arrival;
    const ends = endsOf(socket);
    this.pendingHandshakes.set(ends, arrival);
    this.begin(arrival);
    socket.once('close', () => this.pendingHandshakes.get(ends) === arrival && this.pendingHandshakes.delete(ends));
  }

  /** TLS is through. Undefined: its other side has gone already. */
  finishHandshake(socket: Socket): Arrival | undefined {
    const ends = endsOf(socket);
    const arrival = this.pendingHandshakes.get(ends);
    if (!arrival) return undefined;
    this.pendingHandshakes.delete(ends);
    this.finish(arrival);
    return arrival;
  }

  /** Ends those that have not finished HZ_TLS: the gateway does not wait for them when it stops. */
  endHandshakes(): void {
    for (const arrival of [...this.unfinished]) arrival.due();
  }

  private uncount(arrival: Arrival): void {
    if (!arrival.isCounted) return;
    arrival.isCounted = false;
    const there = (this.perNetwork.get(arrival.clientNetwork) ?? 1) - 1;
    if (there > 0) this.perNetwork.set(arrival.clientNetwork, there);
    else this.perNetwork.delete(arrival.clientNetwork);
  }
}

/** Both ends: a client may connect from one port to two addresses of this machine. */
const endsOf = ({ remoteAddress, remotePort, localAddress }: Socket): string =>
  `${remoteAddress} ${remotePort} ${localAddress}`;

/**
 * The client network that limits count for: an IPv4 address; of IPv6 the /64 network, of which one subscriber has all addresses.
 */
export function clientNetworkOf(address: string): string {
  const plain = withoutMapping(address);
  if (!plain.includes(':')) return plain;
  const [left = '', right] = (address.split('%')[0] ?? '').split('::');
  const head = left === '' ? [] : left.split(':');
  const tail = right === undefined || right === '' ? [] : right.split(':');
  const zeros = Array<string>(Math.max(0, 8 - head.length - tail.length)).fill('0');
  return `${[...head, ...zeros, ...tail].slice(0, 4).join(':')}::/64`;
}
