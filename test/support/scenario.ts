import { mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Target } from '@huizhi/client';
import { HistoryChecker, logLine, parseLogLine, readHistory, type Stated, type Verdict } from '@huizhi/history-checker';
import { eventually } from '@huizhi/dev-env';
import { TestUser, type TestUserOptions } from './test-user.js';
import { bounded } from './bounded.js';
import { Pace } from './pace.js';
import type { TestCluster } from './test-cluster.js';

type History = Extract<Stated, { ev: 'history' }>;

/** A conversation, as one of its participants addresses it. */
interface Thread {
  reader: TestUser;
  target: Target;
  participants: string[];
}

/** A bound for busy machines. Without faults an answer takes milliseconds. */
const ANSWERED_WITHIN_MS = 10_000;
const GRACE_MS = 10_000;
const SETTLE_MS = 45_000;
const MIB = 2 ** 20;
/** MiB that no service approaches in a small system. */
const RESIDENT_MIB = 500;

/** The devices of one scenario, their observations, and the history checker's verdict on them. */
export class Scenario {
  /** In the order of connecting, which is random within one call of {@link users}. */
  readonly actors: TestUser[] = [];
  readonly pace = new Pace();
  private readonly lines: string[] = [];
  private readonly threads = new Map<string, Thread>();
  private scenes = 0;

  private constructor(
    private readonly cluster: TestCluster,
    private readonly title: string,
  ) {}

  /**
   * Runs a scenario, waits until every message is delivered, and checks the histories. On failure the error names a
   * file with the histories: `npm run verify-history -- <file>`.
   * @param graceMs how long slow answers after a fault are attributed to it
   */
  static async play(
    cluster: TestCluster,
    title: string,
    scene: (scenario: Scenario) => Promise<void>,
    graceMs = GRACE_MS,
  ): Promise<void> {
    const scenario = new Scenario(cluster, title);
    try {
      await scene(scenario);
      await scenario.settle(SETTLE_MS);
      await scenario.measure();
      const { violations, total } = scenario.verdict(graceMs);
      if (total > 0) throw new Error(`${total} violations:\n${violations.map(textOf).slice(0, 20).join('\n')}`);
    } catch (error) {
      (error as Error).message += `\nThe histories: ${scenario.save()}`;
      throw error;
    } finally {
      await scenario.leave();
    }
  }

  /** Runs a scenario with a deliberate defect and returns the verdict of the checker. */
  static async judge(
    cluster: TestCluster,
    title: string,
    scene: (scenario: Scenario) => Promise<void>,
    withinMs: number,
  ): Promise<Verdict> {
    const scenario = new Scenario(cluster, title);
    try {
      await scene(scenario);
      await scenario.settle(withinMs);
      return scenario.verdict();
    } finally {
      await scenario.leave();
    }
  }

  async testUser(user: string, device = 'phone', options: TestUserOptions = {}): Promise<TestUser> {
    const token = await this.cluster.system.token(user);
    const testUser = new TestUser(this.cluster, user, device, token, options, (event) => {
      this.lines.push(logLine(user, device, event));
      this.pace.saw(user, event);
    });
    this.actors.push(testUser);
    await testUser.client.connect();
    return testUser;
  }

  /** Two or more users with one device each, distributed over the gateways in turn. */
  async users(word: string, count: number, options: TestUserOptions = {}): Promise<TestUser[]> {
    return Promise.all(
      Array.from({ length: count }, (_, n) =>
        this.testUser(this.cluster.name(word), 'phone', { gateway: n, ...options }),
      ),
    );
  }

  /** Registers a conversation, so that the verdict covers it. */
  pair(one: TestUser, other: TestUser): Target {
    const target = { user: other.user };
    const participants = [one.user, other.user].sort();
    this.threads.set(participants.join(' '), { reader: one, target, participants });
    return target;
  }

  async group(creator: TestUser, members: readonly TestUser[]): Promise<Target> {
    const { receipt } = creator.client.createGroup(members.map(({ user }) => user));
    const { groupID } = await receipt;
    if (groupID === undefined) throw new Error('a group without an id');
    const target = { group: groupID };
    const participants = [...new Set([creator, ...members].map(({ user }) => user))];
    this.threads.set(groupID, { reader: creator, target, participants });
    return target;
  }

  /** Records the fault for the checker while `scene` injects it and ends it. */
  async fault<T>(what: string, scene: () => Promise<T>): Promise<T> {
    const name = `${what} ${++this.scenes}`;
    this.state({ ev: 'fault', what: name, over: false });
    try {
      return await scene();
    } finally {
      this.state({ ev: 'fault', what: name, over: true });
    }
  }

  /** Resolves when this many more messages of all users are receipted. */
  async more(count: number, withinMs = 30_000): Promise<void> {
    const goal = this.receipted + count;
    await eventually(`${count} more receipts`, () => this.receipted >= goal, withinMs);
  }

  get receipted(): number {
    return this.actors.reduce((sum, { receipted }) => sum + receipted, 0);
  }

  /** Lets all users finish, and waits until every message is delivered and confirmed. */
  private async settle(withinMs: number): Promise<void> {
    await bounded(Promise.all(this.actors.map((testUser) => testUser.settled())), withinMs);
    const histories = await Promise.all([...this.threads.values()].map((thread) => this.read(thread)));
    await eventually('everything to be delivered', () => this.complete(histories), withinMs).catch(
      // The checker reports missing messages in more detail.
      () => undefined,
    );
    for (const testUser of this.actors) testUser.state({ ev: 'quiet' });
  }

  /** Checks that no event waits to be applied, and that no service uses too much memory. */
  private async measure(): Promise<void> {
    // The checker reports a lag that remains.
    await this.cluster.noLag().catch(() => undefined);
    for (const service of this.cluster.services().filter(({ running }) => running)) {
      const sum = async (...names: string[]): Promise<number> =>
        (await Promise.all(names.map((name) => this.cluster.metric(service, name)))).reduce(
          (one, other) => one + other,
        );
      const resident = Math.round((await sum('process_resident_memory_bytes')) / MIB);
      this.bound(service.label, 'MiB of memory', resident, RESIDENT_MIB);
      if (service.name !== 'offline') continue;
      this.bound(service.label, 'lag', await sum('hz_offline_lag_events', 'hz_offline_queued_events'), 0);
    }
  }

  private verdict(graceMs = GRACE_MS): Verdict {
    const checker = new HistoryChecker({ answeredWithinMs: ANSWERED_WITHIN_MS, graceMs });
    for (const line of this.lines) checker.add(parseLogLine(line));
    return checker.finish();
  }

  /** Writes the histories as NDJSON, one file per scenario, and the logs of the services beside it. */
  private save(): string {
    const folder = join(tmpdir(), 'huizhi-histories');
    mkdirSync(folder, { recursive: true });
    const file = join(folder, `${this.title.replaceAll(/[^a-z0-9]+/gi, '-').slice(0, 80)}-${Date.now()}.ndjson`);
    writeFileSync(file, `${this.lines.join('\n')}\n`);
    const logs = this.cluster.services().flatMap(({ label, logs }) => logs.map((line) => `${label} ${line}\n`));
    writeFileSync(file.replace('.ndjson', '.log'), logs.join(''));
    return file;
  }

  private async read({ reader, target, participants }: Thread): Promise<History> {
    const history = await eventually('the history', () =>
      readHistory(reader.client, target, participants).catch(() => undefined),
    );
    reader.state(history);
    return history as History;
  }

  private complete(histories: readonly History[]): boolean {
    return this.actors.every((testUser) => {
      if (testUser.confirmed < testUser.highest) return false;
      const theirs = histories.filter(({ participants }) => participants?.includes(testUser.user));
      return theirs.every(({ messages }) =>
        messages.every(
          ({ messageID, from, kind, clientMsgID = '' }) =>
            testUser.received.has(messageID) ||
            (from === testUser.user && (kind === 'tip' || testUser.sent.has(clientMsgID))),
        ),
      );
    });
  }

  private async leave(): Promise<void> {
    await Promise.all(this.actors.map((testUser) => testUser.leave()));
  }

  private state(event: Stated): void {
    this.lines.push(logLine('test', '-', event));
  }

  private bound(where: string, what: string, value: number, atMost: number): void {
    this.lines.push(logLine(where, '-', { ev: 'bound', what, value, atMost }));
  }
}

const textOf = ({ rule, where, what }: Verdict['violations'][number]): string => `${rule} ${where}: ${what}`;
