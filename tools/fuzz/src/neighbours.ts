import { HuizhiClient } from '@huizhi/client';
import type { DevEnv } from '@huizhi/dev-env';

const EVERY_MS = 100;
const BOUND_MS = 15_000;

/** Two normal sessions that exchange messages. Hostile connections must not affect them. */
export class Neighbours {
  receipted = 0;
  delivered = 0;
  /** Observed faults, as sentences. */
  readonly harm: string[] = [];
  private timer: NodeJS.Timeout | undefined;

  private constructor(
    private readonly from: HuizhiClient,
    private readonly to: HuizhiClient,
    private readonly user: string,
  ) {}

  static async meet(system: DevEnv, run: string): Promise<Neighbours> {
    const client = (user: string): HuizhiClient =>
      new HuizhiClient({
        address: system.address,
        user,
        deviceID: 'neighbour',
        token: () => system.token(user),
        timings: { deadlineMs: BOUND_MS },
      });
    const [from, to] = [client(`${run}-a`), client(`${run}-b`)];
    const both = new Neighbours(from, to, `${run}-b`);
    await Promise.all([from.connect(), to.connect()]);
    for (const one of [from, to]) {
      one.on('closed', (_, name) => both.timer && both.harm.push(`a good session was closed: ${name || 'no reason'}`));
    }
    to.on('message', () => both.delivered++);
    return both;
  }

  talk(): void {
    this.timer = setInterval(() => void this.say(), EVERY_MS);
  }

  /** Resolves when every message is receipted and delivered, or when the time is over. */
  async part(): Promise<void> {
    this.stop();
    const until = Date.now() + BOUND_MS;
    while (this.delivered < this.receipted || this.from.pending > 0) {
      if (Date.now() > until) {
        this.harm.push(`${this.receipted} receipted, ${this.delivered} delivered, ${this.from.pending} unsettled`);
        break;
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async leave(): Promise<void> {
    this.stop();
    await Promise.all([this.from.close(), this.to.close()]);
  }

  private stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private async say(): Promise<void> {
    try {
      await this.from.sendText({ user: this.user }, 'good day').receipt;
      this.receipted += 1;
    } catch (error) {
      this.harm.push(`a good message was not receipted: ${(error as Error).message}`);
    }
  }
}
