import type { Heartbeat } from '@huizhi/protocol';
import type { Session } from '../sessions/session.js';
import { frame, type Result } from './outcome.js';
import type { Services } from './services.js';

/** Answered in kind, with the last entry that the device has to get: one that is behind learns it here at the latest. */
export function heartbeat(_: Services, session: Session, { beatID }: Heartbeat): Result {
  return frame(`{"beatID":${JSON.stringify(beatID)},"inboxSeq":${session.inbox.last},"serverTime":"${Date.now()}"}`);
}
