import type { Socket } from 'node:net';
import { refusedConnections } from '../metrics.js';
import { KeyedRateLimiter } from '../timing/keyed-rate-limiter.js';
import type { Timed, TimingWheel } from '../timing/timing-wheel.js';
import { withoutMapping, type TrustedProxies } from './trusted-proxies.js';

/** Burst in seconds of the rate: all clients of an office behind one address may reconnect at once. */
const BURST_S = 20;

export type AddressLimit = 'address' | 'rate';

/** A TCP connection from its accept on, before TLS and the first frame. */
export class Arrival implements Timed {
  wheelAt = 0;
  /** The client network that limits count for: see {@link clientNetworkOf}. */
  clientNetwork = '';
  /** The connection comes from a trusted proxy, which may still send the address of its client. */
  isFromProxy = false;
  /** The connection is included in the count of its network. */
  isCounted = false;

  /** @param at when it was accepted, gateway clock in ms; the PROXY header, TLS and login share one deadline */
  constructor(
    readonly at: number,
    readonly socket: Socket,
    private readonly limiter: ConnectionLimiter,
  ) {}

  /**
   * Attributes the connection to the network of this address.
   * @returns the limit of that network that is exceeded; the caller must then end the connection
   */
  attribute(address: string): AddressLimit | undefined {
    return this.limiter.attribute(this, address);
  }

  /** The deadline passed before the TLS handshake finished; the client cannot be sent a reason. */
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
  /**
   * Keyed by the addresses of the connection: the TLS server emits a different socket object with the same addresses.
   */
  private readonly pendingHandshakes = new Map<string, Arrival>();
  private count = 0;

  constructor(
    private readonly maxPerNetwork: number,
    perSecond: number,
    private readonly deadlineMs: number,
    private readonly proxies: Pick<TrustedProxies, 'has'>,
    private readonly wheel: TimingWheel,
    private readonly now: () => number,
  ) {
    this.rate = new KeyedRateLimiter(perSecond, BURST_S * perSecond, now);
  }

  /** Number of open TCP connections. */
  get size(): number {
    return this.count;
  }

  /**
   * Counts the connection until its socket closes.
   * @returns undefined when a limit is exceeded; the connection was then reset
   */
  accept(socket: Socket): Arrival | undefined {
    // A load balancer's health check ends with a reset, possibly before another error listener is attached.
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

  /** Resets the connection; before TLS the client cannot be sent a reason. */
  refuse({ socket }: Arrival, why: AddressLimit | 'proxyHeader'): void {
    refusedConnections.add(why);
    socket.resetAndDestroy();
  }

  /**
   * Attributes the connection to a network. Trusted proxies are exempt: one client behind a proxy could otherwise use
   * up the limit of all.
   */
  attribute(arrival: Arrival, address: string): AddressLimit | undefined {
    const isFromProxy = this.proxies.has(address);
    const network = clientNetworkOf(address);
    if (!isFromProxy) {
      const there = this.perNetwork.get(network) ?? 0;
      if (there >= this.maxPerNetwork) return 'address';
      if (!this.rate.take(network)) return 'rate';
      this.perNetwork.set(network, there + 1);
    }
    this.uncount(arrival);
    arrival.clientNetwork = network;
    arrival.isFromProxy = isFromProxy;
    arrival.isCounted = !isFromProxy;
    return undefined;
  }

  /**
   * A PROXY header or TLS handshake begins; the connection ends at the deadline unless {@link finish} is called before.
   */
  begin(arrival: Arrival): void {
    this.unfinished.add(arrival);
    this.wheel.arm(arrival, arrival.at + this.deadlineMs);
  }

  finish(arrival: Arrival): void {
    this.wheel.disarm(arrival);
    this.unfinished.delete(arrival);
  }

  /** The TLS handshake begins: see {@link begin}. */
  startHandshake(arrival: Arrival): void {
    const { socket } = arrival;
    const ends = endsOf(socket);
    this.pendingHandshakes.set(ends, arrival);
    this.begin(arrival);
    socket.once('close', () => this.pendingHandshakes.get(ends) === arrival && this.pendingHandshakes.delete(ends));
  }

  /**
   * The TLS handshake is finished.
   * @returns undefined when the client has already disconnected
   */
  finishHandshake(socket: Socket): Arrival | undefined {
    const ends = endsOf(socket);
    const arrival = this.pendingHandshakes.get(ends);
    if (!arrival) return undefined;
    this.pendingHandshakes.delete(ends);
    this.finish(arrival);
    return arrival;
  }

  /** Ends connections that have not finished TLS, so that the gateway need not wait for them when it stops. */
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

/** Both addresses, because a client may connect from one port to two addresses of this machine. */
const endsOf = ({ remoteAddress, remotePort, localAddress }: Socket): string =>
  `${remoteAddress} ${remotePort} ${localAddress}`;

/** The network that limits count for: an IPv4 address, or an IPv6 /64 network, which one subscriber usually holds. */
export function clientNetworkOf(address: string): string {
  const plain = withoutMapping(address);
  if (!plain.includes(':')) return plain;
  const [left = '', right] = (address.split('%')[0] ?? '').split('::');
  const head = left === '' ? [] : left.split(':');
  const tail = right === undefined || right === '' ? [] : right.split(':');
  const zeros = Array<string>(Math.max(0, 8 - head.length - tail.length)).fill('0');
  return `${[...head, ...zeros, ...tail].slice(0, 4).join(':')}::/64`;
}
