import type { Bus } from '@huizhi/runtime';
import type { GatewayConfig } from '../config.js';
import type { Cursors } from '../delivery/cursors.js';
import type { Pump } from '../delivery/pump.js';
import type { Attempts } from '../login/attempts.js';
import type { Authenticator } from '../login/authenticator.js';
import type { SessionOpener } from '../login/session-opener.js';
import type { Outbox } from '../sends/outbox.js';
import type { Buckets } from '../time/buckets.js';

/** What commands work with. */
export interface Services {
  readonly config: GatewayConfig;
  readonly bus: Bus;
  readonly attempts: Attempts;
  readonly authenticator: Authenticator;
  readonly opener: SessionOpener;
  readonly outbox: Outbox;
  readonly pump: Pump;
  readonly cursors: Cursors;
  /** Of groups that are made, by who makes them. */
  readonly groupMembers: Buckets;
  readonly now: () => number;
  /** The gateway is going away: nobody logs in any more. */
  readonly isDraining: () => boolean;
}
