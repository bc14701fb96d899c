import type { Target } from '@huizhi/client';
import type { TestUser, TestUserOptions } from './test-user.js';
import type { Scenario } from './scenario.js';
import { bounded } from './bounded.js';

export interface CrowdOptions extends Pick<TestUserOptions, 'timings'> {
  size: number;
  word: string;
  /** Numbers of the gateways that each member uses in turn; the gateways may be behind proxies. */
  gateways: readonly number[];
}

/** Timings that suit many simultaneous connections. */
const TIMINGS: TestUserOptions['timings'] = {
  reconnect: { baseMs: 200, maxMs: 2_000 },
  resend: { baseMs: 200, maxMs: 2_000 },
  stableMs: 1_000,
  connectMs: 10_000,
  answerMs: 35_000,
};

/** Users of a scenario in a ring, each of which sends to the next. */
export class Crowd {
  private constructor(
    readonly members: readonly TestUser[],
    private readonly targets: readonly Target[],
  ) {}

  static async of(scenario: Scenario, { size, word, gateways, timings }: CrowdOptions): Promise<Crowd> {
    const members = await scenario.users(word, size, { gateways, timings: { ...TIMINGS, ...timings } });
    const targets = members.map((member, n) => scenario.pair(member, members[(n + 1) % size]!));
    return new Crowd(members, targets);
  }

  get online(): number {
    return this.members.filter(({ client }) => client.state === 'online').length;
  }

  /** Each member immediately sends `count` messages to the next. */
  say(count: number): void {
    for (let n = 0; n < count; n++) void this.sayOne();
  }

  /** Sends at a steady rate, regardless of answers, until the scenario ends. */
  start(perSecond: number): void {
    const everyMs = (1_000 * this.members.length) / perSecond;
    for (const [n, member] of this.members.entries()) member.pour(this.targets[n]!, everyMs);
  }

  /** Resolves when the next message of every member is receipted. */
  async works(withinMs = 20_000): Promise<void> {
    await bounded(Promise.all(this.sayOne()), withinMs);
  }

  private sayOne(): Promise<unknown>[] {
    return this.members.map((member, n) => member.say(this.targets[n]!, `${member.where} says ${member.sent.size}`));
  }
}
