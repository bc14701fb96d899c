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
import { Backoff, pause, type Bus } from '@huizhi/runtime';
import { echoOf, errorFrame } from '../frames.js';
import type { Session } from '../session/session.js';
import { frame as framed, type Outcome, type Result } from './outcome.js';
import type { Services } from './services.js';

const DEFAULT_LIMIT = 50;
/** Per session; a page can be half a megabyte. */
const MAX_AT_ONCE = 4;
const ATTEMPTS = 3;

/** A page of a conversation. It is read from the log by the message service, which also decides whether it is the user's to read. */
export function history({ bus, config }: Services, session: Session, frame: History): Result {
  const { requestID } = frame;
  const tooMany = refused('unavailable', 'too many pages at once', requestID);
  if (session.histories >= MAX_AT_ONCE || session.connection.isCrowded) return tooMany;
  session.histories += 1;
  return answer(bus, requestFor(session.user, frame), requestID, config.HISTORY_TIMEOUT)
    .then((outcome) => (session.connection.isCrowded ? tooMany : outcome))
    .finally(() => (session.histories -= 1));
}

function requestFor(user: string, frame: History): HistoryRequest {
  const { chatType, beforeSeq, afterSeq, limit = DEFAULT_LIMIT } = frame;
  const target = targetOf(frame);
  const page = { user, beforeSeq, afterSeq, limit };
  if (chatType === 'groupChat') return { ...page, conversation: groupConversation(target) };
  return { ...page, conversation: pairConversation(user, target), to: target };
}

async function answer(bus: Bus, request: HistoryRequest, requestID: string, timeoutMs: number): Promise<Outcome> {
  const reply = await ask(bus, request, timeoutMs);
  if (!reply) return refused('unavailable', 'history cannot be read just now', requestID);
  const { error, hasMore } = reply.head;
  if (error) return refused(error, 'the conversation does not exist or is not yours to read', requestID);
  return framed(
    `{"messageType":"historyReceipt","requestID":${JSON.stringify(requestID)},` +
      `"conversationID":${JSON.stringify(request.conversation)},"messages":[${reply.bodies.join(',')}],"hasMore":${hasMore}}`,
  );
}

/** Any instance can answer and the bus chooses one blindly: where one is frozen or cut off, another is asked. */
async function ask(bus: Bus, request: HistoryRequest, timeoutMs: number): Promise<Lines<HistoryReply> | undefined> {
  const payload = JSON.stringify(request);
  const backoff = new Backoff(50, 500);
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    try {
      const answered = await bus.request(subjects.history, payload, { timeoutMs: timeoutMs / ATTEMPTS });
      const reply = decodeLines<HistoryReply>(answered);
      if (reply.head.error !== 'unavailable') return reply;
    } catch {
      // No answer in time, nobody there, no bus: all the same from here.
    }
    if (attempt < ATTEMPTS) await pause(backoff.next());
  }
  return undefined;
}

const refused = (error: ErrorName, reason: string, requestID: string): Outcome =>
  framed(errorFrame(error, reason, echoOf({ requestID })));
