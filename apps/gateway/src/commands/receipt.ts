import type { Receipt } from '@huizhi/protocol';
import type { Session } from '../sessions/session.js';
import type { Result } from './outcome.js';
import type { Services } from './services.js';

/** Receipts from the device. Unknown ids are ignored and answered like known ones. */
export function receipt({ cursors, pump, now }: Services, session: Session, frame: Receipt): Result {
  const { inbox } = session;
  const at = now();
  if (frame.messageID !== undefined) inbox.receiptMessage(frame.messageID, at);
  if (frame.messageIDs !== undefined) for (const messageID of frame.messageIDs) inbox.receiptMessage(messageID, at);
  if (frame.upTo !== undefined) inbox.receiptUpTo(frame.upTo, at);
  cursors.receipted(session);
  pump.start(session);
  return undefined;
}
