import type { Up } from '@huizhi/protocol';
import type { Logger } from '@huizhi/runtime';
import type { Result } from '../commands/outcome.js';
import type { GatewayConfig } from '../config.js';
import type { Session } from '../sessions/session.js';
import type { SessionSocket } from '../sessions/session-socket.js';
import type { FlushScheduler } from '../timing/flush-scheduler.js';
import type { TimingWheel } from '../timing/timing-wheel.js';
import type { Upgrades } from './upgrades.js';

/** Dependencies of a Connection, provided by the Gateway. */
export interface ConnectionContext {
  readonly config: GatewayConfig;
  readonly log: Logger;
  /** Rate-limited logger for failures that clients or an outage can repeat without limit. */
  readonly failures: Logger;
  readonly wheel: TimingWheel;
  readonly flushScheduler: FlushScheduler;
  /** Upgrades connections that begin as HTTP to WebSockets. */
  readonly upgrades: Upgrades;
  readonly now: () => number;
  /**
   * Must be called before bytes are processed; closes sessions after this process was paused or cut off for too long.
   */
  readonly checkWatchdog: () => void;
  readonly perform: (socket: SessionSocket, session: Session | undefined, up: Up) => Result;
  /** The connection's session is open. */
  readonly opened: (session: Session) => void;
  /** The socket has room again. */
  readonly drained: (session: Session) => void;
  /** The session has ended. */
  readonly left: (session: Session) => void;
}
