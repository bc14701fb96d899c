import { deferred, withTimeout } from '@huizhi/runtime';
import type { Connection } from '../connection/connection.js';
import type { Timed, TimingWheel } from '../timing/timing-wheel.js';

export interface DrainSettings {
  readonly HZ_DRAIN_SPREAD: number;
  readonly HZ_DRAIN_TIMEOUT: number;
}

/** Between two looks at a login that is under way, and longer than a connection lingers after its last frame; milliseconds. */
const LOOK_MS = 100;
const LINGER_MS = 2_000;

/** Sends everybody elsewhere, each at a random moment, so that they do not arrive there together; waits until they are gone. */
export class Drain {
  private readonly empty = deferred();

  constructor(
    private readonly connections: ReadonlySet<Connection>,
    private readonly wheel: TimingWheel,
    private readonly settings: DrainSettings,
    private readonly now: () => number,
  ) {}

  /** Resolves when nobody is left, or when the time for that is over. Nobody new may come meanwhile. */
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

  /** A connection is gone. */
  left(): void {
    if (this.connections.size === 0) this.empty.resolve();
  }
}

/** One connection's: when its moment has come it takes no more sends, and ends once those it has are answered. */
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
