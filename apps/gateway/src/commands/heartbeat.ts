import type { Heartbeat } from '@huizhi/protocol';
import type { Session } from '../sessions/session.js';
import { frame, type Result } from './outcome.js';
import type { Services } from './services.js';

/**
 * Answers with `beatID` and the newest entry that the device has to receive, so that a device detects missing entries.
 */
export function heartbeat(_: Services, session: Session, { beatID }: Heartbeat): Result {
  return frame(`{"beatID":${JSON.stringify(beatID)},"inboxSeq":${session.inbox.last},"serverTime":"${Date.now()}"}`);
}
