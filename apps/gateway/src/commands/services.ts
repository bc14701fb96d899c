import type { Bus } from '@huizhi/runtime';
import type { GatewayConfig } from '../config.js';
import type { Cursors } from '../delivery/cursors.js';
import type { CatchUpPump } from '../delivery/catch-up-pump.js';
import type { LoginRateLimiter } from '../login/login-rate-limiter.js';
import type { Authenticator } from '../login/authenticator.js';
import type { SessionOpener } from '../login/session-opener.js';
import type { SendPublisher } from '../sends/send-publisher.js';
import type { KeyedRateLimiter } from '../timing/keyed-rate-limiter.js';

/** Dependencies of the command handlers. */
export interface Services {
  readonly config: GatewayConfig;
  readonly bus: Bus;
  readonly loginRateLimiter: LoginRateLimiter;
  readonly authenticator: Authenticator;
  readonly opener: SessionOpener;
  readonly sendPublisher: SendPublisher;
  readonly pump: CatchUpPump;
  readonly cursors: Cursors;
  /** Rate of members of created groups, per creator. */
  readonly groupMembers: KeyedRateLimiter;
  readonly now: () => number;
  /** The gateway is draining and accepts no logins. */
  readonly isDraining: () => boolean;
}
