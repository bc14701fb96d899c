import { HuizhiClient, type ClientOptions, type Observed, type OfflineBatch } from '@huizhi/client';
import type { Delivery, LoginReceipt } from '@huizhi/protocol';
import { randomBytes } from 'node:crypto';
import { addressOf } from './address.js';
import type { DemoTarget } from './target.js';

export interface Step {
  name: string;
  /** Throws when a check fails. */
  run(demo: DemoContext): Promise<void>;
}

const STEP_MS = 10_000;

/** Context of one step: new users, their devices, and one deadline for all waits. */
export class DemoContext {
  private readonly suffix = randomBytes(4).toString('hex');
  private readonly devices: Device[] = [];
  private readonly deadline = performance.now() + STEP_MS;
  private watchers = new Set<() => void>();

  constructor(private readonly target: DemoTarget) {}

  get isOpen(): boolean {
    return this.target.open === true;
  }

  /** This step's user of that name, with a random suffix so that it is new. */
  user(name: string): string {
    return `${name}-${this.suffix}`;
  }

  /** A device of a user, after its login. */
  async device(user: string, deviceID: string, options: Partial<ClientOptions> = {}): Promise<Device> {
    const device = new Device(this.target, user, deviceID, () => this.changed(), options);
    this.devices.push(device);
    await device.client.connect({ timeoutMs: this.left, failFast: true });
    return device;
  }

  /** Resolves as soon as `condition` holds. Checked at each event of any device. */
  until(what: string, condition: () => boolean): Promise<void> {
    if (condition()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => settle(() => reject(new Error(`timeout while waiting for ${what}`))), this.left);
      const settle = (how: () => void): void => {
        clearTimeout(timer);
        this.watchers.delete(look);
        how();
      };
      const look = (): void => {
        if (condition()) settle(resolve);
      };
      this.watchers.add(look);
    });
  }

  async clear(): Promise<void> {
    await Promise.all(this.devices.map((device) => device.client.close()));
  }

  /** Milliseconds until the step's deadline; at least one. */
  private get left(): number {
    return Math.max(1, this.deadline - performance.now());
  }

  private changed(): void {
    for (const look of [...this.watchers]) look();
  }
}

/** One client and the events it has received. */
export class Device {
  readonly client: HuizhiClient;
  readonly messages: Delivery[] = [];
  readonly batches: OfflineBatch[] = [];
  /** The messageID of every received copy, repeats included. */
  readonly copies: string[] = [];
  /** The highest `inboxSeq` received. */
  head = 0;
  confirmed = 0;
  login: LoginReceipt | undefined;

  constructor(
    private readonly target: DemoTarget,
    readonly user: string,
    deviceID: string,
    changed: () => void,
    options: Partial<ClientOptions>,
  ) {
    this.client = new HuizhiClient({
      address: addressOf(target),
      user,
      deviceID,
      deviceType: 'demo',
      token: () => target.token(user),
      observer: (event) => this.observe(event),
      timings: { deadlineMs: STEP_MS, historyMs: STEP_MS },
      ...options,
    });
    this.client.on('login', (receipt) => {
      this.login = receipt;
      changed();
    });
    this.client.on('message', (message) => {
      this.messages.push(message);
      changed();
    });
    this.client.on('batch', (batch) => {
      this.batches.push(batch);
      changed();
    });
    this.client.on('confirmed', (inboxSeq) => {
      this.confirmed = inboxSeq;
      changed();
    });
  }

  /** A token of this device's user. */
  token(): Promise<string> {
    return this.target.token(this.user);
  }

  texts(): string[] {
    return this.messages.map(({ content }) => String(content.text));
  }

  private observe(event: Observed): void {
    if (event.ev !== 'received') return;
    this.copies.push(event.messageID);
    this.head = Math.max(this.head, event.inboxSeq);
  }
}

/** @throws when `so` is false */
export function claim(what: string, so: boolean): asserts so {
  if (!so) throw new Error(`check failed: ${what}`);
}

/** @throws with both values when they differ as JSON */
export function same(what: string, actual: unknown, expected: unknown): void {
  const [is, shouldBe] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (is !== shouldBe) throw new Error(`${what}: got ${is}, expected ${shouldBe}`);
}
