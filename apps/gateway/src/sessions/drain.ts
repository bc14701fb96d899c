import { deferred, withTimeout } from '@huizhi/runtime';
import type { Connection } from '../connection/connection.js';
import type { Timed, TimingWheel } from '../timing/timing-wheel.js';

export interface DrainSettings {
  readonly HZ_DRAIN_SPREAD: number;
  readonly HZ_DRAIN_TIMEOUT: number;
}

/** Ms between two checks of a login in progress. */
const LOOK_MS = 100;
/** Ms; longer than a connection lingers after its last frame. */
const LINGER_MS = 2_000;

/** Closes each connection at a random moment, so that reconnects are spread, and waits until all have ended. */
export class Drain {
  private readonly empty = deferred();

  constructor(
    private readonly connections: ReadonlySet<Connection>,
    private readonly wheel: TimingWheel,
    private readonly settings: DrainSettings,
    private readonly now: () => number,
  ) {}

  /** Resolves when no connection is left or the time is over. The caller must not accept connections meanwhile. */
  async run(): Promise<void> {
    if (this.connections.size === 0) return;
    const { HZ_DRAIN_SPREAD, HZ_DRAIN_TIMEOUT } = this.settings;
    for (const connection of this.connections) {
      const moment = this.now() + Math.random() * HZ_DRAIN_SPREAD;
      this.wheel.arm(new DrainDeadline(connection, moment + HZ_DRAIN_TIMEOUT), moment);
    }
    await withTimeout(this.empty.promise, HZ_DRAIN_SPREAD + HZ_DRAIN_TIMEOUT + LINGER_MS, 'draining').catch(
      () => undefined,
    );
  }

  /** A connection has ended. */
  left(): void {
    if (this.connections.size === 0) this.empty.resolve();
  }
}

/** The drain of one connection. From its moment on the session accepts no sends; it is closed when all are answered. */
class DrainDeadline implements Timed {
  wheelAt = 0;

  constructor(
    private readonly connection: Connection,
    private readonly latest: number,
  ) {}

  due(now: number): number | undefined {
    const { connection } = this;
    if (connection.state === 'opening' && now < this.latest) return now + LOOK_MS;
    const { session } = connection;
    const isSettled = !session || session.sends.count === 0;
    if (isSettled || now >= this.latest) {
      connection.close('drain');
      return undefined;
    }
    session.whenSettled = () => connection.close('drain');
    return this.latest;
  }
}
