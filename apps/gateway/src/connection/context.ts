import type { Up } from '@huizhi/protocol';
import type { Logger } from '@huizhi/runtime';
import type { Result } from '../commands/outcome.js';
import type { GatewayConfig } from '../config.js';
import type { Session } from '../sessions/session.js';
import type { FlushScheduler } from '../timing/flush-scheduler.js';
import type { TimingWheel } from '../timing/timing-wheel.js';
import type { Connection } from './connection.js';
import type { Upgrades } from './upgrades.js';

/** What a connection needs of the house it stands in. */
export interface ConnectionContext {
  readonly config: GatewayConfig;
  readonly log: Logger;
  /** For what clients or an outage can repeat without end: limited in rate. */
  readonly failures: Logger;
  readonly wheel: TimingWheel;
  readonly flushScheduler: FlushScheduler;
  /** Where connections that begin as HTTP become WebSockets. */
  readonly upgrades: Upgrades;
  readonly now: () => number;
  /** To be asked before any bytes are looked at: it closes sessions that this process was away from for too long. */
  readonly checkWatchdog: () => void;
  readonly perform: (connection: Connection, up: Up) => Result;
  /** The connection has a session from now on. */
  readonly opened: (session: Session) => void;
  /** Its socket has room again. */
  readonly drained: (session: Session) => void;
  /** Its session is over. */
  readonly left: (session: Session) => void;
  /** Its socket is gone. */
  readonly gone: (connection: Connection) => void;
}
