import { setTimeout as delay } from 'node:timers/promises';
import { HuizhiClient, nodeTransport, type ClientOptions, type Observed, type Target } from '@huizhi/client';
import { type Stated } from '@huizhi/history-checker';
import type { GatewayAddress } from '@huizhi/dev-env';
import type { TestCluster } from './test-cluster.js';

export interface TestUserOptions {
  /** Numbers of the gateways that its connections use in turn. Default: all. */
  gateways?: readonly number[];
  /** The gateway of the first connection. */
  gateway?: number;
  store?: ClientOptions['store'];
  timings?: ClientOptions['timings'];
}

/**
 * A device with the SDK, which recovers from all faults, and the log of its observations. Sends have no deadline,
 * because the tests end every fault. A refused send fails the scenario.
 */
export class TestUser {
  /** The messageIDs of all deliveries. */
  readonly received = new Set<string>();
  readonly client: HuizhiClient;
  /** The client ids of all sends. */
  readonly sent = new Set<string>();
  receipted = 0;
  /** The highest delivered `inboxSeq`, and the highest confirmed one. */
  highest = 0;
  confirmed = 0;
  logins = 0;
  /** The names of the closes of its connections. */
  readonly closes: string[] = [];
  private readonly perTarget = new Map<string, number>();
  private readonly outcomes: Promise<unknown>[] = [];
  private stopping = false;
  private readonly flows: Promise<void>[] = [];
  private readonly timers: NodeJS.Timeout[] = [];

  constructor(
    cluster: TestCluster,
    readonly user: string,
    readonly device: string,
    token: string,
    options: TestUserOptions,
    private readonly saw: (event: Observed | Stated) => void,
  ) {
    const { gateways = [...cluster.system.instances('gateway').keys()], gateway = 0, store, timings } = options;
    let next = gateway;
    const address = (): GatewayAddress => cluster.system.addressOf(gateways[next++ % gateways.length]!);
    this.client = new HuizhiClient({
      address: cluster.system.addressOf(gateways[0]!),
      transport: (handlers) => nodeTransport(address())(handlers),
      user,
      deviceID: device,
      token: () => token,
      ...(store ? { store } : {}),
      observer: (event) => this.observe(event),
      timings: {
        reconnect: { baseMs: 50, maxMs: 500 },
        resend: { baseMs: 50, maxMs: 500 },
        connectMs: 2_000,
        answerMs: 8_000,
        deadlineMs: 0,
        ...timings,
      },
    });
    this.client.on('closed', (_, name) => this.closes.push(name));
  }

  get where(): string {
    return `${this.user}/${this.device}`;
  }

  state(event: Stated): void {
    this.saw(event);
  }

  say(target: Target, text: string): Promise<unknown> {
    const { clientMsgID, receipt } = this.client.sendText(target, text);
    this.sent.add(clientMsgID);
    const outcome = receipt.then(() => this.count(target));
    // Awaited in `settled`.
    outcome.catch(() => undefined);
    this.outcomes.push(outcome);
    return outcome;
  }

  /** Receipts so far, by target. */
  receiptedBy(): Map<string, number> {
    return new Map(this.perTarget);
  }

  private count(target: Target): void {
    const to = JSON.stringify(target);
    this.receipted += 1;
    this.perTarget.set(to, (this.perTarget.get(to) ?? 0) + 1);
  }

  /**
   * Sends to each target until {@link settled}. Up to `window` messages per target are unreceipted; each next one
   * follows a receipt after `pauseMs`.
   */
  talk(targets: readonly Target[], window = 2, pauseMs = 10): void {
    for (const target of targets) {
      for (let n = 0; n < window; n++) {
        const flow = this.flow(target, `${n}`, pauseMs);
        // Awaited in `settled`, too.
        flow.catch(() => undefined);
        this.flows.push(flow);
      }
    }
  }

  /** Sends a message every `everyMs`, regardless of earlier ones, until {@link settled}. */
  pour(target: Target, everyMs: number): void {
    let n = 0;
    this.timers.push(setInterval(() => void this.say(target, `${this.where} pours ${n++}`), everyMs));
  }

  private async flow(target: Target, word: string, pauseMs: number): Promise<void> {
    for (let n = 0; !this.stopping; n++) {
      await this.say(target, `${this.where} ${word} ${n}`);
      // The pause lets a busy machine keep up with all users.
      await delay(pauseMs);
    }
  }

  /** Stops sending and resolves when every message has its answer. */
  async settled(): Promise<void> {
    this.stop();
    await Promise.all(this.flows);
    await Promise.all(this.outcomes);
  }

  async leave(): Promise<void> {
    this.stop();
    await this.client.close();
  }

  private stop(): void {
    this.stopping = true;
    for (const timer of this.timers) clearInterval(timer);
  }

  private observe(event: Observed): void {
    this.saw(event);
    if (event.ev === 'received') {
      this.received.add(event.messageID);
      this.highest = Math.max(this.highest, event.inboxSeq);
    } else if (event.ev === 'confirmed') this.confirmed = Math.max(this.confirmed, event.inboxSeq);
    else if (event.ev === 'connected') this.logins += 1;
  }
}
