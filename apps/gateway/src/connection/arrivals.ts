import type { Socket } from 'node:net';
import { refusedConnections } from '../metrics.js';
import { Buckets } from '../time/buckets.js';
import type { Timed, Wheel } from '../time/wheel.js';

/** Those of so many seconds may come at once: where one address is an office, all of it comes back together. */
const BURST_S = 20;

/** A TCP connection from its first moment, before TLS and the first frame. */
export class Arrival implements Timed {
  wheelAt = 0;

  constructor(
    /** As far as limits go: see {@link originOf}. */
    readonly origin: string,
    /** When it came, by the gateway's clock: TLS and the login have one deadline together. */
    readonly at: number,
    private readonly socket: Socket,
  ) {}

  /** The deadline came before TLS was through: there is no way to say so. */
  due(): undefined {
    refusedConnections.add('handshake');
    this.socket.destroy();
    return undefined;
  }
}

/** Everyone who is at the door, or past it: how many from where, how quickly, and who has not finished TLS. */
export class Arrivals {
  private readonly rate: Buckets;
  private readonly perOrigin = new Map<string, number>();
  /** TLS hands on another socket than came in; the two share their ends. */
  private readonly shaking = new Map<string, Arrival>();
  private count = 0;

  constructor(
    private readonly mostPerOrigin: number,
    perSecond: number,
    private readonly deadlineMs: number,
    private readonly wheel: Wheel,
    private readonly now: () => number,
  ) {
    this.rate = new Buckets(perSecond, BURST_S * perSecond, now);
  }

  /** TCP connections there are. */
  get size(): number {
    return this.count;
  }

  /** Counts it until it is gone. Undefined: too many from there, or too quickly; it was ended. */
  admit(socket: Socket): Arrival | undefined {
    const origin = originOf(socket.remoteAddress ?? '');
    const there = this.perOrigin.get(origin) ?? 0;
    const limit = there >= this.mostPerOrigin ? 'address' : this.rate.take(origin) ? undefined : 'rate';
    if (limit) {
      refusedConnections.add(limit);
      socket.resetAndDestroy();
      return undefined;
    }
    this.perOrigin.set(origin, there + 1);
    this.count += 1;
    socket.once('close', () => this.left(origin));
    return new Arrival(origin, this.now(), socket);
  }

  /** TLS begins: it ends the connection unless {@link shaken} comes in time. */
  shake(socket: Socket, arrival: Arrival): void {
    const ends = endsOf(socket);
    this.shaking.set(ends, arrival);
    this.wheel.arm(arrival, arrival.at + this.deadlineMs);
    socket.once('close', () => this.forget(ends, arrival));
  }

  /** TLS is through. Undefined: its other side has gone already. */
  shaken(socket: Socket): Arrival | undefined {
    const ends = endsOf(socket);
    const arrival = this.shaking.get(ends);
    if (arrival) this.forget(ends, arrival);
    return arrival;
  }

  /** Nobody waits for those who have not finished TLS. */
  endHandshakes(): void {
    for (const arrival of [...this.shaking.values()]) arrival.due();
  }

  private forget(ends: string, arrival: Arrival): void {
    this.wheel.disarm(arrival);
    if (this.shaking.get(ends) === arrival) this.shaking.delete(ends);
  }

  private left(origin: string): void {
    this.count -= 1;
    const there = (this.perOrigin.get(origin) ?? 1) - 1;
    if (there > 0) this.perOrigin.set(origin, there);
    else this.perOrigin.delete(origin);
  }
}

/** Both: from one port somebody may come to two addresses of this machine. */
const endsOf = ({ remoteAddress, remotePort, localAddress }: Socket): string =>
  `${remoteAddress} ${remotePort} ${localAddress}`;

/**
 * Where somebody comes from, as far as limits go: an IPv4 address; of IPv6 the /64 network, in which one subscriber has all
 * addresses there are.
 */
export function originOf(address: string): string {
  if (!address.includes(':')) return address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped) return mapped;
  const [left = '', right] = (address.split('%')[0] ?? '').split('::');
  const head = left === '' ? [] : left.split(':');
  const tail = right === undefined || right === '' ? [] : right.split(':');
  const zeros = Array<string>(Math.max(0, 8 - head.length - tail.length)).fill('0');
  return `${[...head, ...zeros, ...tail].slice(0, 4).join(':')}::/64`;
}
