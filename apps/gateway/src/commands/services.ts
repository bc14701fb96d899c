import type { Bus } from '@huizhi/runtime';
import type { GatewayConfig } from '../config.js';
import type { Cursors } from '../delivery/cursors.js';
import type { CatchUpPump } from '../delivery/pump.js';
import type { LoginRateLimiter } from '../login/attempts.js';
import type { Authenticator } from '../login/authenticator.js';
import type { SessionOpener } from '../login/session-opener.js';
import type { SendPublisher } from '../sends/outbox.js';
import type { KeyedRateLimiter } from '../time/buckets.js';

/** What commands work with. */
export interface Services {
  readonly config: GatewayConfig;
  readonly bus: Bus;
  readonly attempts: LoginRateLimiter;
  readonly authenticator: Authenticator;
  readonly opener: SessionOpener;
  readonly sendPublisher: SendPublisher;
  readonly pump: CatchUpPump;
  readonly cursors: Cursors;
  /** Of groups that are made, by who makes them. */
  readonly groupMembers: KeyedRateLimiter;
  readonly now: () => number;
  /** The gateway is going away: nobody logs in any more. */
  readonly isDraining: () => boolean;
}
