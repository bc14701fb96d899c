import {
  BusDisconnectedError,
  BusNoRespondersError,
  type Bus,
  type BusHandler,
  type BusSubscription,
} from '@huizhi/runtime';

/** The fate of one message that a component sends on the bus. */
/**
 * A request can also be refused, as without responders: a lost one costs the 1–2 s that services wait for an answer.
 */
export type Fate = 'pass' | 'lose' | 'refuse' | 'double' | { readonly delayMs: number };
export type Kind = 'publish' | 'respond' | 'request';

/** Longer than any timeout in these tests. */
const NEVER_MS = 60_000;

/**
 * A component's real bus connection with injected faults. Its messages may be lost, duplicated or delayed, and it may
 * be disconnected. The server, the subscriptions and all forwarded messages are real.
 */
export class FaultyBus {
  /** Called for each message; the default is `pass`. */
  fate: (kind: Kind, subject: string) => Fate = () => 'pass';
  private up = true;
  private dead = false;
  private readonly listeners = new Set<(connected: boolean) => void>();
  /** The last delayed message on each subject. */
  private readonly behind = new Map<string, Promise<void>>();
  private readonly late = new Set<NodeJS.Timeout>();

  constructor(private readonly real: Bus) {
    real.onStatus((connected) => this.up && this.tell(connected));
  }

  /** This object as a `Bus`: the class has private members, but this one has the same interface. */
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
    if (fate === 'refuse') throw new BusNoRespondersError(`no subscriber for ${subject}`);
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

  /** Simulates a broken connection: messages in both directions are lost from now on. */
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

  /** Simulates the death of the process: its listeners are no longer called. */
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

  /** Delayed messages keep their order on each subject, but not across subjects, as in NATS. */
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

/** The next `count` messages of this component have this fate. Requests pass, because their timeouts take seconds. */
export function next(bus: FaultyBus, count: number, fate: Fate): void {
  let left = count;
  bus.fate = (kind) => (kind === 'request' || left-- <= 0 ? 'pass' : fate);
}
