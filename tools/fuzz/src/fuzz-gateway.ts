import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { DevEnv } from '@huizhi/dev-env';
import type { Finding } from './fuzz-codec.js';
import { hostileConnection, type Fate } from './hostile-connection.js';
import { mutated } from './mutate.js';
import { Neighbours } from './neighbours.js';
import { opening } from './openings.js';
import { Random } from './random.js';

/** Concurrent hostile connections. */
const WIDTH = 24;
/** Number of hostile users. Their devices kick each other and reconnect. */
const USERS = 40;
/** Number of recent inputs that are kept: when a process ends, the input that caused it is among them. */
const RECENT = 2 * WIDTH;
const BOUND_MS = 20_000;
const LOGIN_DEADLINE_MS = 2_000;
const MAX_RESIDENT_KIB = 700 * 1024;

/**
 * Short deadlines, and no limits per address because all connections have one address. The heartbeat limits leave room
 * for normal sessions on a busy machine.
 */
const LIMITS = {
  HZ_LOGIN_DEADLINE: `${LOGIN_DEADLINE_MS}ms`,
  HZ_FRAME_DEADLINE: '2s',
  HZ_WRITE_STALL: '4s',
  HZ_HEARTBEAT: '4s',
  HZ_HEARTBEAT_MIN: '12s',
  HZ_CONNECTS_PER_SECOND: '1000000',
  HZ_LOGIN_ATTEMPTS: '10000',
  HZ_FAILED_LOGINS_PER_ADDRESS: '1000000',
};

export interface GatewayRun {
  readonly connections: number;
  readonly fates: Readonly<Partial<Record<Fate, number>>>;
  /** Number of connections per protocol mode. */
  readonly speeches: Readonly<Record<string, number>>;
  readonly receipted: number;
  readonly residentMiB: number;
  readonly findings: readonly Finding[];
}

export interface GatewayFuzz {
  readonly seed: number;
  readonly corpus: readonly Uint8Array[];
  readonly print: (line: string) => void;
  readonly isOver: (run: GatewayRun) => boolean;
}

/**
 * Sends hostile input over TLS to the gateway of a whole system, while two normal sessions exchange messages. Equal
 * seeds give equal inputs, but network timing varies.
 */
export async function fuzzGateway(fuzz: GatewayFuzz): Promise<GatewayRun> {
  const system = await DevEnv.start({
    env: { gateway: LIMITS, all: { HZ_LOG_LEVEL: 'warn' } },
    print: fuzz.print,
  });
  try {
    return await fuzzSystem(system, fuzz);
  } finally {
    await system.stop();
  }
}

/** Fuzzes the first gateway of a running system. The caller stops the system. */
export async function fuzzSystem(
  system: DevEnv,
  { seed, corpus, isOver }: Omit<GatewayFuzz, 'print'>,
): Promise<GatewayRun> {
  const run = `fuzz-${randomBytes(3).toString('hex')}`;
  const findings: Finding[] = [];
  const found = (why: string, input: Uint8Array = new Uint8Array(0)): void => {
    if (!findings.some((one) => one.why === why)) findings.push({ input, why });
  };
  const recent: Uint8Array[] = [];
  system.onCrash((name, report) => {
    found(`${name} ended: ${report}`);
    recent.forEach((input, n) => found(`input ${recent.length - n} before ${name} ended`, input));
  });
  const fates: Partial<Record<Fate, number>> = {};
  const speeches: Record<string, number> = {};
  let connections = 0;
  let over = false;
  let residentKiB = 0;
  const neighbours = await Neighbours.meet(system, run);
  const tokens = await Promise.all(Array.from({ length: USERS }, (_, n) => system.token(`${run}-h${n}`)));
  const state = (): GatewayRun => ({
    connections,
    fates,
    speeches,
    receipted: neighbours.receipted,
    residentMiB: Math.round(residentKiB / 1024),
    findings,
  });
  const look = (): void => {
    // Effects of the gateway's end on other processes are no separate findings.
    if (!system.gateway().running) return void (over = true);
    residentKiB = Math.max(residentKiB, resident(system.gateway().pid));
    if (residentKiB > MAX_RESIDENT_KIB) found(`the gateway holds ${Math.round(residentKiB / 1024)} MiB`);
    for (const line of complaints(system)) found(`logged: ${line}`);
    for (const harm of neighbours.harm) found(harm);
    over ||= isOver(state());
  };
  neighbours.talk();
  const watch = setInterval(look, 500);
  const worker = async (n: number): Promise<void> => {
    const random = new Random(seed * WIDTH + n);
    while (!over) {
      const user = random.below(USERS);
      const how = opening(random, `${run}-h${user}`, tokens[user] as string);
      const input = how.wrap(mutated(random.of(corpus), random, random.of(corpus)));
      recent.push(input);
      if (recent.length > RECENT) recent.shift();
      const bounds = { tlsMs: LOGIN_DEADLINE_MS, boundMs: BOUND_MS };
      const fate = await hostileConnection({ address: system.address, ...how, input, random, ...bounds });
      connections += 1;
      fates[fate] = (fates[fate] ?? 0) + 1;
      speeches[how.speech] = (speeches[how.speech] ?? 0) + 1;
      if (!system.gateway().running) return;
      if (fate === 'neither ended nor answered' || fate === 'never connected') found(fate, input);
    }
  };
  try {
    await Promise.all(Array.from({ length: WIDTH }, (_, n) => worker(n)));
    if (system.gateway().running) await neighbours.part();
    look();
    return state();
  } finally {
    over = true;
    clearInterval(watch);
    await neighbours.leave();
  }
}

/** Resident memory in KiB; 0 when the process has ended. */
function resident(pid: number): number {
  const file = `/proc/${pid}/status`;
  const line = existsSync(file) ? /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(file, 'utf8')) : undefined;
  return Number(line?.[1] ?? 0);
}

/** Log lines that no input may cause. */
function complaints(system: DevEnv): string[] {
  return [...system.instances('gateway'), ...system.instances('message'), ...system.instances('offline')]
    .flatMap(({ logs }) => logs)
    .filter((line) => line.includes('"level":"error"') || /unhandled|uncaught/i.test(line))
    .map((line) => line.replace(/"time":"[^"]*"/, '').slice(0, 500));
}
