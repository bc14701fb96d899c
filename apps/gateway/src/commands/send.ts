import type { ErrorName } from '@huizhi/protocol';
import { refusal } from '../frames.js';
import { receipts } from '../metrics.js';
import type { PendingSend } from '../sends/pending-send.js';
import type { Session } from '../session/session.js';
import { frame, type Result } from './outcome.js';
import type { Services } from './services.js';

const REASONS: Partial<Record<ErrorName, string>> = {
  resendInOrder: 'an earlier message to this conversation is unsettled: send that one again first',
  unavailable: 'too much waits for its receipt here',
};

/** Puts a send on its way. It is answered when its lane's owner has committed or refused it. */
export function send(services: Services, session: Session, pending: PendingSend): Result {
  const { config, outbox, now } = services;
  const { sends } = session;
  if (session.whenSettled) return refused('unavailable', pending, 'this gateway is going away');
  if (sends.count >= config.UNANSWERED_SENDS || sends.bytes + pending.bytes > config.UNANSWERED_BYTES) {
    return { close: 'tooManyUnanswered' };
  }
  const error = sends.offer(pending, now());
  if (error) return refused(error, pending);
  outbox.submit(session, pending.lane);
  return undefined;
}

function refused(error: ErrorName, { echo }: PendingSend, reason = REASONS[error] ?? error): Result {
  receipts.add(error);
  return frame(refusal(error, reason, echo));
}
