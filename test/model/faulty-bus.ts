import {
  BusDisconnectedError,
  BusNoRespondersError,
  type Bus,
  type BusHandler,
  type BusSubscription,
} from '@huizhi/runtime';

/** What becomes of one thing that a component says on the bus. */
/** A request can be refused too, as when nobody listens: lost, it would cost the second or two that services wait for an answer. */
export type Fate = 'pass' | 'lose' | 'refuse' | 'double' | { readonly delayMs: number };
export type Kind = 'publish' | 'respond' | 'request';

/** Later than any bound that somebody waits for in these tests. */
const NEVER_MS = 60_000;

/**
 * A component's own real bus connection, with faults on its way: what it says may be lost, doubled or late, and it may be cut
 * off as a whole. The server, the subscriptions and all that passes are real.
 */
export class FaultyBus {
  /** Asked for each thing said; `pass` for all by default. */
  fate: (kind: Kind, subject: string) => Fate = () => 'pass';
  private up = true;
  private dead = false;
  private readonly listeners = new Set<(connected: boolean) => void>();
  /** The last late thing on each subject. */
  private readonly behind = new Map<string, Promise<void>>();
  private readonly late = new Set<NodeJS.Timeout>();

  constructor(private readonly real: Bus) {
    real.onStatus((connected) => this.up && this.tell(connected));
  }

  /** For whoever wants a bus: the class has private parts, this has the same face. */
  get bus(): Bus {
    return this as unknown as Bus;
  }

  get connected(): boolean {
    return this.up && this.real.connected;
  }

  publish(subject: string, payload: string | Uint8Array): boolean {
    return this.say('publish', subject, () => this.real.publish(subject, payload));
  }

  respond(reply: string, payload: string | Uint8Array): boolean {
    return this.say('respond', reply, () => this.real.respond(reply, payload));
  }

  subscribe(subject: string, handler: BusHandler, options?: { readonly queue?: string }): BusSubscription {
    return this.real.subscribe(subject, (payload, from, reply) => this.up && handler(payload, from, reply), options);
  }

  async request(
    subject: string,
    payload: string | Uint8Array,
    options: { readonly timeoutMs: number },
  ): Promise<Uint8Array> {
    if (!this.connected) throw new BusDisconnectedError(`no connection for ${subject}`);
    const fate = this.fate('request', subject);
    if (fate === 'refuse') throw new BusNoRespondersError(`nobody listens to ${subject}`);
    if (fate === 'lose') return this.unanswered(options.timeoutMs);
    if (fate === 'double') this.real.request(subject, payload, options).catch(() => undefined);
    if (typeof fate === 'object') await this.later(fate.delayMs);
    const reply = await this.real.request(subject, payload, options);
    return this.up ? reply : this.unanswered(options.timeoutMs);
  }

  onStatus(listener: (connected: boolean) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  onReconnect(listener: () => void): () => void {
    return this.onStatus((connected) => connected && listener());
  }

  /** As when the connection breaks: what is said and what is heard from now on is lost. */
  drop(): void {
    if (!this.up) return;
    this.up = false;
    this.tell(false);
  }

  restore(): void {
    if (this.up || this.dead) return;
    this.up = true;
    this.tell(true);
  }

  /** As when the process dies: nobody in it is told anything any more either. */
  kill(): void {
    this.dead = true;
    this.up = false;
    this.listeners.clear();
  }

  async close(): Promise<void> {
    this.kill();
    for (const timer of this.late) clearTimeout(timer);
    await this.real.drain(500);
  }

  private say(kind: Kind, subject: string, act: () => boolean): boolean {
    if (!this.connected) return false;
    const fate = this.fate(kind, subject);
    if (fate === 'lose') return true;
    const before = this.behind.get(subject);
    if (typeof fate === 'object' || before)
      return this.sayLate(subject, before, typeof fate === 'object' ? fate.delayMs : 0, act);
    if (fate === 'double') act();
    return act();
  }

  /** Overtaken on other subjects, never on its own: so it is with NATS. */
  private sayLate(subject: string, before: Promise<void> | undefined, delayMs: number, act: () => boolean): boolean {
    const said = Promise.all([before, this.later(delayMs)]).then(() => {
      if (this.behind.get(subject) === said) this.behind.delete(subject);
      if (this.up) act();
    });
    this.behind.set(subject, said);
    return true;
  }

  private later(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.late.delete(timer);
        resolve();
      }, ms);
      this.late.add(timer);
    });
  }

  private async unanswered(timeoutMs: number): Promise<never> {
    await this.later(Math.min(timeoutMs, NEVER_MS));
    throw new BusDisconnectedError('no answer');
  }

  private tell(connected: boolean): void {
    for (const listener of [...this.listeners]) listener(connected);
  }
}

/** The next so many things this component says have this fate. Requests pass: their bounds are the services' own seconds. */
export function next(bus: FaultyBus, count: number, fate: Fate): void {
  let left = count;
  bus.fate = (kind) => (kind === 'request' || left-- <= 0 ? 'pass' : fate);
}
