import { DevEnv } from '@huizhi/dev-env';
import { randomBytes } from 'node:crypto';
import type { Parts } from './cpu.js';
import { LoadConnection, type LoadFrame } from './load-connection.js';

const LOGINS_AT_ONCE = 16;

/** The system under load: one instance of each service with its own servers, in a temporary folder. */
export class LoadedSystem {
  /** Set when a process crashes, so that the run fails. */
  crash: string | undefined;
  readonly run = randomBytes(3).toString('hex');

  private constructor(readonly devEnv: DevEnv) {
    devEnv.onCrash((name, report) => (this.crash ??= `${name} ended unexpectedly\n${report}`));
  }

  static async boot(print: (line: string) => void, gatewayEnv: Record<string, string> = {}): Promise<LoadedSystem> {
    // All load comes from one address.
    const env = { all: { HZ_LOG_LEVEL: 'warn' }, gateway: { HZ_CONNECTS_PER_SECOND: '1000000', ...gatewayEnv } };
    return new LoadedSystem(await DevEnv.start({ postgres: 'own', env, print: (line) => print(`· ${line}`) }));
  }

  get parts(): Parts {
    const { devEnv } = this;
    return {
      gateway: () => devEnv.instances('gateway').map(({ pid }) => pid),
      message: () => devEnv.instances('message').map(({ pid }) => pid),
      offline: () => devEnv.instances('offline').map(({ pid }) => pid),
      nats: () => (devEnv.nats?.pid === undefined ? [] : [devEnv.nats.pid]),
      postgres: () => devEnv.postgres?.pids() ?? [],
    };
  }

  user(n: number): string {
    return `bench-${this.run}-${n}`;
  }

  async login(user: string): Promise<{ connection: LoadConnection; receipt: LoadFrame }> {
    const token = await this.devEnv.token(user);
    const login = { fromUserID: user, deviceID: 'load', deviceType: 'bench', versionCode: 2, token };
    return LoadConnection.open(this.devEnv.address, login);
  }

  /** Logs in the users `from` … `to`−1, a few at a time; `each` is called after each login. */
  async logInAll(from: number, to: number, each: (connection: LoadConnection, n: number) => void): Promise<void> {
    await inParallel(to - from, LOGINS_AT_ONCE, async (i) => {
      const { connection } = await this.login(this.user(from + i));
      each(connection, from + i);
    });
  }

  /** The faults of the system itself. */
  get faults(): string[] {
    return this.crash === undefined ? [] : [this.crash];
  }

  stop(): Promise<void> {
    return this.devEnv.stop();
  }
}

/** Does `work` for 0 … count−1, at most `width` at a time. Returns the results in order. */
export async function inParallel<T>(count: number, width: number, work: (n: number) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) {
      const n = next++;
      results[n] = await work(n);
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, count) }, worker));
  return results;
}
