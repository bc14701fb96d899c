import { setTimeout as delay } from 'node:timers/promises';
import { HuizhiClient, nodeTransport, type ClientOptions, type Observed, type Target } from '@huizhi/client';
import { type Stated } from '@huizhi/history-checker';
import type { GatewayAddress } from '@huizhi/dev-env';
import type { TestCluster } from './test-cluster.js';

export interface TestUserOptions {
  /** Numbers of the gateways that it uses in turn, a connection each. Default: all. */
  gateways?: readonly number[];
  /** With which of these it begins. */
  gateway?: number;
  store?: ClientOptions['store'];
  timings?: ClientOptions['timings'];
}

/**
 * A device with the SDK, which heals whatever happens to it, and the log of what it saw. Its sends never give up: what the test
 * breaks it mends. Nothing it says may be refused: a refusal fails the scene.
 */
export class TestUser {
  /** By messageID: what came to it. */
  readonly received = new Set<string>();
  readonly client: HuizhiClient;
  /** Client ids of what it sent. */
  readonly sent = new Set<string>();
  receipted = 0;
  /** The highest `inboxSeq` it was given, and that the server has confirmed. */
  highest = 0;
  confirmed = 0;
  logins = 0;
  /** How its connections ended, by name. */
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

  /** Receipts so far, by whom or what it wrote to. */
  receiptedBy(): Map<string, number> {
    return new Map(this.perTarget);
  }

  private count(target: Target): void {
    const to = JSON.stringify(target);
    this.receipted += 1;
    this.perTarget.set(to, (this.perTarget.get(to) ?? 0) + 1);
  }

  /**
   * Talks to each of these until {@link settled}: `window` messages of each at a time are without receipt, the next follows a
   * receipt after a pause in milliseconds.
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

  /** Says one so often, whatever becomes of those before, until {@link settled}. */
  pour(target: Target, everyMs: number): void {
    let n = 0;
    this.timers.push(setInterval(() => void this.say(target, `${this.where} pours ${n++}`), everyMs));
  }

  private async flow(target: Target, word: string, pauseMs: number): Promise<void> {
    for (let n = 0; !this.stopping; n++) {
      await this.say(target, `${this.where} ${word} ${n}`);
      // A busy machine has to keep up with all of them.
      await delay(pauseMs);
    }
  }

  /** Ends the talking and resolves when all it said has its answer. */
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
