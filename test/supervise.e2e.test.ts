import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { HuizhiClient, type Observed } from '@huizhi/client';
import { HistoryChecker, logLine, parseLogLine, readHistory } from '@huizhi/history-checker';
import { eventually, signToken, type GatewayAddress } from '@huizhi/dev-env';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { newDataFolder, Up } from './support/up.js';

/** `hz up` restarts processes that crash, and stops cleanly in every state. */

jest.setTimeout(240_000);

const PROCESSES = ['postgres', 'nats', 'message-1', 'offline-1', 'media-1', 'push-1', 'gateway-1'];
/** A bound in milliseconds for busy machines; an idle one needs seconds. */
const WITHIN_MS = 60_000;

const folders: string[] = [];
const dataFolder = (): string => {
  const folder = newDataFolder();
  folders.push(folder);
  return folder;
};

/** All starts in this file, so that a failing test leaves no process behind. */
const started: Up[] = [];
const start = (dataDir: string, env?: Record<string, string>): Up => {
  const up = new Up(dataDir, env);
  started.push(up);
  return up;
};
afterAll(async () => {
  for (const up of started) up.signal('SIGKILL');
  await Promise.all(started.map((up) => up.exited));
  folders.forEach((folder) => rmSync(folder, { recursive: true, force: true }));
}, 60_000);

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    // A zombie has ended; its parent has only not read the exit code yet.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
};

/** Kills one process as a user would. Returns the line that reports the restart, and the new pid. */
async function killed(up: Up, label: string, pid: number): Promise<{ line: string; pid: number }> {
  const from = up.lines.length;
  process.kill(pid, 'SIGKILL');
  const back = await up.line(new RegExp(`^${label} \\(pid ${pid}\\) .* pid (\\d+)`), from, WITHIN_MS);
  return { line: back.input, pid: Number(back[1]) };
}

interface State {
  jwtSecret: string;
  ports: Record<string, { client?: number }>;
}

/** Two users with the SDK in its default configuration that continuously write to each other. */
class Talk {
  readonly lines: string[] = [];
  receipted = { alice: 0, bob: 0 };
  private readonly clients: HuizhiClient[] = [];
  private readonly flows: Promise<void>[] = [];
  private readonly got = new Map<string, Set<string>>();
  private readonly heads = new Map<string, { highest: number; confirmed: number }>();
  private stopping = false;

  static async start(dataDir: string): Promise<Talk> {
    const talk = new Talk();
    const state = JSON.parse(readFileSync(join(dataDir, 'state.json'), 'utf8')) as State;
    const address: GatewayAddress = {
      host: '127.0.0.1',
      port: state.ports['gateway-1']!.client!,
      ca: readFileSync(join(dataDir, 'tls', 'gateway-cert.pem'), 'utf8'),
    };
    for (const user of ['alice', 'bob']) {
      const client = new HuizhiClient({
        address,
        user,
        deviceID: 'talk',
        token: () => signToken(state.jwtSecret, user),
        observer: (event) => talk.observe(user, event),
        // The test ends every fault, so no send may time out.
        timings: { deadlineMs: 0, reconnect: { baseMs: 100, maxMs: 1_000 } },
      });
      talk.clients.push(client);
      await client.connect();
    }
    const [alice, bob] = talk.clients as [HuizhiClient, HuizhiClient];
    talk.flows.push(talk.flow(alice, 'alice', 'bob'), talk.flow(bob, 'bob', 'alice'));
    return talk;
  }

  /** Resolves when both users have this many more receipts. */
  async more(count: number): Promise<void> {
    const { alice, bob } = this.receipted;
    await eventually(
      `${count} more receipts each`,
      () => this.receipted.alice >= alice + count && this.receipted.bob >= bob + count,
      WITHIN_MS,
    );
  }

  /** Stops sending, waits until every message is delivered and confirmed, and runs the history checker. */
  async violations(): Promise<unknown[]> {
    this.stopping = true;
    await Promise.all(this.flows);
    const [alice] = this.clients as [HuizhiClient];
    const history = await eventually('the history', () =>
      readHistory(alice, { user: 'bob' }, ['alice', 'bob']).catch(() => undefined),
    );
    if (history.ev !== 'history') throw new Error('no history');
    await eventually(
      'every message to arrive',
      () =>
        history.messages.every(({ messageID, from }) =>
          ['alice', 'bob'].every((user) => user === from || this.got.get(user)?.has(messageID)),
        ) && [...this.heads.values()].every(({ highest, confirmed }) => confirmed >= highest),
      WITHIN_MS,
    ).catch(() => undefined);
    const checker = new HistoryChecker();
    for (const user of ['alice', 'bob']) this.lines.push(logLine(user, 'talk', { ev: 'quiet' }));
    this.lines.push(logLine('alice', 'talk', history));
    for (const line of this.lines) checker.add(parseLogLine(line));
    const { violations, counts } = checker.finish();
    expect(counts.stored).toBe(this.receipted.alice + this.receipted.bob);
    expect(history.messages).toHaveLength(counts.stored);
    return violations;
  }

  async close(): Promise<void> {
    this.stopping = true;
    await Promise.all(this.clients.map((client) => client.close()));
  }

  private async flow(client: HuizhiClient, user: 'alice' | 'bob', to: string): Promise<void> {
    for (let n = 0; !this.stopping; n++) {
      await client.sendText({ user: to }, `${user} ${n}`).receipt;
      this.receipted[user] += 1;
    }
  }

  private observe(user: string, event: Observed): void {
    this.lines.push(logLine(user, 'talk', event));
    const head = this.heads.get(user) ?? { highest: 0, confirmed: 0 };
    this.heads.set(user, head);
    if (event.ev === 'received') {
      const got = this.got.get(user) ?? new Set();
      this.got.set(user, got.add(event.messageID));
      head.highest = Math.max(head.highest, event.inboxSeq);
    } else if (event.ev === 'confirmed') head.confirmed = Math.max(head.confirmed, event.inboxSeq);
  }
}

describe('hz up', () => {
  let up: Up;
  beforeAll(async () => {
    up = await start(dataFolder()).ready();
  }, 180_000);
  afterAll(() => up?.stop(), 60_000);

  test('lists every process with its pid and a kill command', () => {
    expect([...up.pids().keys()].sort()).toEqual([...PROCESSES].sort());
    expect([...up.pids().values()].filter(isAlive)).toHaveLength(PROCESSES.length);
    expect(up.output).toMatch(/kill -9 \d+/);
  });

  test('refuses a second start on the same data folder', async () => {
    const second = start(up.dataDir);
    expect(await second.exited).toBe(1);
    expect(second.output).toContain('running already');
  });

  test('restarts every killed process, and two clients lose no message meanwhile', async () => {
    const talk = await Talk.start(up.dataDir);
    try {
      await talk.more(20);
      expect(up.pids().size).toBe(PROCESSES.length);
      for (const [label, pid] of up.pids()) {
        const { line, pid: now } = await killed(up, label, pid);
        expect(line).toMatch(/killed by SIGKILL.* after \d+\.\d s/);
        expect([isAlive(pid), isAlive(now)]).toEqual([false, true]);
        await talk.more(20);
      }
      expect(await talk.violations()).toEqual([]);
    } finally {
      await talk.close();
    }
  });

  test('retries a service that ends at each start, names its log, and recovers when the cause is removed', async () => {
    const certificate = join(up.dataDir, 'tls', 'gateway-cert.pem');
    const good = readFileSync(certificate);
    const pid = Number(readFileSync(join(up.dataDir, 'services', 'gateway-1.pid'), 'utf8').split(' ')[0]);
    const from = up.lines.length;
    writeFileSync(certificate, 'no certificate');
    process.kill(pid, 'SIGKILL');
    const again = /^gateway-1 .*exit code 1.*next start in (\d+\.\d) s.*gateway-1\.log/;
    const waits = await eventually(
      'three lines',
      () => {
        const found = up.lines.slice(from).flatMap((line) => again.exec(line)?.[1] ?? []);
        return found.length >= 3 && found.map(Number);
      },
      WITHIN_MS,
    );
    expect(waits).toEqual([...waits].sort((a, b) => a - b));
    expect(waits[0]).toBeLessThan(waits[2]!);
    writeFileSync(certificate, good);
    await up.line(/^gateway-1 .* pid \d+/, from, WITHIN_MS);
  });
});

describe('hz up ends', () => {
  const pidsIn = (dataDir: string): number[] =>
    ['services/message-1.pid', 'services/gateway-1.pid', 'postgres/pid', 'nats/pid'].map((file) =>
      Number(readFileSync(join(dataDir, file), 'utf8').split(' ')[0]),
    );

  test('at Ctrl-C during restarts without leaving a process', async () => {
    const up = await start(dataFolder()).ready();
    for (const label of ['postgres', 'message-1']) process.kill(up.pids().get(label)!, 'SIGKILL');
    up.signal('SIGINT');
    expect(await up.exited).toBe(0);
    expect(up.lines.at(-1)).toBe('Stopped.');
    expect([...up.pids().values()].filter(isAlive)).toEqual([]);
  });

  test('with all its processes when it is killed, and the next start continues with the same data', async () => {
    const folder = dataFolder();
    const first = await start(folder).ready();
    for (const label of ['message-1', 'postgres']) await killed(first, label, first.pids().get(label)!);
    const pids = pidsIn(folder);
    expect(pids.filter(isAlive)).toHaveLength(4);
    first.signal('SIGKILL');
    await first.exited;
    await eventually('all processes to end', () => !pids.some(isAlive), WITHIN_MS);
    const second = await start(folder).ready();
    expect(await second.stop()).toBe(0);
  });

  test('at once at a second Ctrl-C', async () => {
    const up = await start(dataFolder(), { HZ_DRAIN_DELAY: '1h' }).ready();
    const pids = [...up.pids().values()];
    up.signal('SIGINT');
    // A terminal, npm and the start script may each forward the same Ctrl-C: two in quick succession count as one.
    up.signal('SIGINT');
    await up.line(/Stopping/);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(pids.some(isAlive)).toBe(true);
    const asked = performance.now();
    up.signal('SIGINT');
    expect(await up.exited).toBe(130);
    expect(performance.now() - asked).toBeLessThan(10_000);
    await eventually('all processes to end', () => !pids.some(isAlive), WITHIN_MS);
  });
});
