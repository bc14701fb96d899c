import type { CloseName } from '@huizhi/protocol';
import type { Logger } from '@huizhi/runtime';
import type { HttpRefusal } from './connection/http-answers.js';
import { closes, httpRefusals } from './metrics.js';
import type { Session } from './sessions/session.js';

/** Business events are counted and logged only here. No event per message, and no part of a body or token. */

export function sessionOpened(log: Logger, { identity, number, epoch, inbox }: Session): void {
  const { user, device, version } = identity;
  log.info('session.opened', { session: number, user, device, version, epoch, waiting: inbox.head - inbox.cursor });
}

export function connectionClosed(log: Logger, name: CloseName, session: Session | undefined): void {
  closes.add(name);
  if (session) log.info('session.closed', { session: session.number, user: session.user, reason: name });
  else log.debug('connection.closed', { reason: name });
}

/** The client disconnected, or the network failed. */
export function clientLeft(log: Logger, session: Session | undefined): void {
  closes.add('client');
  if (session) log.info('session.left', { session: session.number, user: session.user });
}

/** The drain begins: from now on each connection is closed with `drain`. */
export function drainBegun(log: Logger, connections: number): void {
  log.info('gateway.draining', { connections });
}

/** An internal error; it closes only this connection. */
export function connectionFailed(log: Logger, error: unknown): void {
  log.error('connection.failed', { error });
}

/**
 * An HTTP request that is neither a WebSocket upgrade nor a health check.
 * @param heldBack events of this reason not logged since the last logged one; undefined when this one must not be
 * logged
 */
export function httpRefused(log: Logger, reason: HttpRefusal, text: string, heldBack: number | undefined): void {
  httpRefusals.add(reason);
  if (heldBack !== undefined) log.info('http.refused', { reason, text, heldBack });
}
