import type { ErrorName } from '@huizhi/protocol';
import { refusal } from '../frames.js';
import { receipts } from '../metrics.js';
import type { PendingSend } from '../sends/pending-send.js';
import type { Session } from '../sessions/session.js';
import { frame, type Outcome, type Result } from './outcome.js';
import type { Services } from './services.js';

const REASONS: Partial<Record<ErrorName, string>> = {
  resendInOrder: 'an earlier message to this conversation is unsettled: send that one again first',
  unavailable: 'this gateway has too many unanswered sends',
};

/** Composes a frame of a `send` command into a send for a lane, or refuses it. */
export type Compose<Frame> = (services: Services, session: Session, frame: Frame) => PendingSend | Outcome;

/**
 * Creates the handler of a `send` command. Its answer is a receipt after the lane owner has committed or refused it.
 */
export const submit =
  <Frame>(compose: Compose<Frame>) =>
  (services: Services, session: Session, frame: Frame): Result => {
    const composed = compose(services, session, frame);
    return 'send' in composed ? enqueue(services, session, composed) : composed;
  };

function enqueue(services: Services, session: Session, pending: PendingSend): Result {
  const { config, sendPublisher, now } = services;
  const { sends } = session;
  if (session.whenSettled) return refused('unavailable', pending, 'this gateway is shutting down');
  if (sends.count >= config.HZ_UNANSWERED_SENDS || sends.bytes + pending.bytes > config.HZ_UNANSWERED_BYTES) {
    return { close: 'tooManyUnanswered' };
  }
  const error = sends.offer(pending, now());
  if (error) return refused(error, pending);
  sendPublisher.submit(session, pending.lane);
  return undefined;
}

function refused(error: ErrorName, { echo }: PendingSend, reason = REASONS[error] ?? error): Outcome {
  receipts.add(error);
  return frame(refusal(error, reason, echo));
}
