import type { CloseName } from '@huizhi/protocol';
import type { Logger } from '@huizhi/runtime';
import type { HttpRefusal } from './connection/http-answers.js';
import { closes, httpRefusals } from './metrics.js';
import type { Session } from './sessions/session.js';

/** Business events: each is counted and logged here and nowhere else. None per message, none with anything of a body or token. */

export function sessionOpened(log: Logger, { identity, number, epoch, inbox }: Session): void {
  const { user, device, version } = identity;
  log.info('session.opened', { session: number, user, device, version, epoch, waiting: inbox.head - inbox.cursor });
}

export function connectionClosed(log: Logger, name: CloseName, session: Session | undefined): void {
  closes.add(name);
  if (session) log.info('session.closed', { session: session.number, user: session.user, reason: name });
  else log.debug('connection.closed', { reason: name });
}

/** The other side has hung up, or the network has. */
export function clientLeft(log: Logger, session: Session | undefined): void {
  closes.add('client');
  if (session) log.info('session.left', { session: session.number, user: session.user });
}

/** From now on everybody is sent elsewhere. */
export function drainBegun(log: Logger, connections: number): void {
  log.info('gateway.draining', { connections });
}

/** A mistake of ours: it costs this connection and no other. */
export function connectionFailed(log: Logger, error: unknown): void {
  log.error('connection.failed', { error });
}

/**
 * A request over HTTP that is no WebSocket and no health check.
 * @param heldBack how many others were not logged since the last one that was; undefined: this one is not, either
 */
export function httpRefused(log: Logger, reason: HttpRefusal, text: string, heldBack: number | undefined): void {
  httpRefusals.add(reason);
  if (heldBack !== undefined) log.info('http.refused', { reason, text, heldBack });
}
