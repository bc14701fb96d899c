import {
  decodeLines,
  groupConversation,
  pairConversation,
  subjects,
  targetOf,
  type ErrorName,
  type History,
  type HistoryReply,
  type HistoryRequest,
  type Lines,
} from '@huizhi/protocol';
import type { Bus } from '@huizhi/runtime';
import { echoOf, errorFrame } from '../frames.js';
import type { Session } from '../session/session.js';
import { frame as framed, type Outcome, type Result } from './outcome.js';
import type { Services } from './services.js';

const DEFAULT_LIMIT = 50;
/** Per session; a page can be half a megabyte. */
const MAX_AT_ONCE = 4;

/** A page of a conversation. It is read from the log by the message service, which also decides whether it is the user's to read. */
export function history({ bus, config }: Services, session: Session, frame: History): Result {
  const { requestID } = frame;
  if (session.histories >= MAX_AT_ONCE || session.connection.isCrowded) {
    return refused('unavailable', 'too many pages at once', requestID);
  }
  session.histories += 1;
  return answer(bus, requestFor(session.user, frame), requestID, config.HISTORY_TIMEOUT).finally(
    () => (session.histories -= 1),
  );
}

function requestFor(user: string, frame: History): HistoryRequest {
  const { chatType, beforeSeq, afterSeq, limit = DEFAULT_LIMIT } = frame;
  const target = targetOf(frame);
  const page = { user, beforeSeq, afterSeq, limit };
  if (chatType === 'groupChat') return { ...page, conversation: groupConversation(target) };
  return { ...page, conversation: pairConversation(user, target), to: target };
}

async function answer(bus: Bus, request: HistoryRequest, requestID: string, timeoutMs: number): Promise<Outcome> {
  let reply: Lines<HistoryReply>;
  try {
    reply = decodeLines(await bus.request(subjects.history, JSON.stringify(request), { timeoutMs }));
  } catch {
    return refused('unavailable', 'history cannot be read just now', requestID);
  }
  const { error, hasMore } = reply.head;
  if (error) return refused(error, 'the conversation does not exist or is not yours to read', requestID);
  return framed(
    `{"messageType":"historyReceipt","requestID":${JSON.stringify(requestID)},` +
      `"conversationID":"${request.conversation}","messages":[${reply.bodies.join(',')}],"hasMore":${hasMore}}`,
  );
}

const refused = (error: ErrorName, reason: string, requestID: string): Outcome =>
  framed(errorFrame(error, reason, echoOf({ requestID })));
