import { randomBytes } from 'node:crypto';
import {
  canonicalJson,
  contentHash,
  groupConversation,
  laneOf,
  pairConversation,
  targetOf,
  type Chat,
  type Send,
} from '@huizhi/protocol';
import { echoOf } from '../frames.js';
import { pendingSend, type PendingSend } from '../sends/pending-send.js';
import type { Place, Session } from '../sessions/session.js';
import type { Services } from './services.js';

/** Maximum number of cached pairs per session. */
const MAX_PAIRS = 50;

/** `messageType: normal`: a message to a user or a group. */
export const composeChat = ({ config }: Services, session: Session, frame: Chat): PendingSend =>
  chatSend(session, frame, config.HZ_MESSAGE_LANES);

type ChatSession = Pick<Session, 'identity' | 'pairs'>;

/** The sender comes from the session; sender fields of the frame are ignored. */
export function chatSend(session: ChatSession, frame: Chat, lanes: number): PendingSend {
  const { user, device, deviceType } = session.identity;
  const { chatType, contenType, clientMsgID, sendTime, atToUserIDs } = frame;
  const target = targetOf(frame);
  const isPair = chatType === 'userChat';
  const { conversation, lane } = isPair ? pairPlace(session, target, lanes) : groupPlace(target, lanes);
  const content = JSON.stringify(frame.content);
  const hash = contentHash(
    `${contenType}\n${chatType}:${target}\n${JSON.stringify(atToUserIDs ?? [])}\n${canonicalText(frame.content, content)}`,
  );
  const clientID = clientMsgID ?? derivedClientID(device, conversation, sendTime, hash);
  const to = isPair ? { to: target } : { group: target };
  const head = JSON.stringify({
    messageType: 'normal',
    fromUserID: user,
    chatType,
    contenType,
    ...(isPair ? { toUserID: target } : { groupID: target }),
    clientMsgID,
    sendTime,
    deviceType,
    atToUserIDs,
  });
  const body = `${head.slice(0, -1)},"content":${content}}`;
  const send: Send = { kind: 'message', conversation, clientID, hash, ...to };
  return pendingSend(lane, send, body, echoOf(frame));
}

/**
 * The content as hashed for duplicate detection. It is independent of key order, time and device type. `text` is the
 * JSON text of the content, which is already canonical for a single scalar field.
 */
function canonicalText(content: Chat['content'], text: string): string {
  const [first, ...others] = Object.values(content);
  return others.length === 0 && typeof first !== 'object' ? text : canonicalJson(content);
}

/**
 * Hashing a pair id is the most expensive step of a send; a session writes to few peers, so recent places are cached.
 */
function pairPlace({ identity, pairs }: ChatSession, other: string, lanes: number): Place {
  const known = pairs.get(other);
  if (known) return known;
  const conversation = pairConversation(identity.user, other);
  const place = { conversation, lane: laneOf(conversation, lanes) };
  if (pairs.size >= MAX_PAIRS) pairs.clear();
  pairs.set(other, place);
  return place;
}

function groupPlace(group: string, lanes: number): Place {
  const conversation = groupConversation(group);
  return { conversation, lane: laneOf(conversation, lanes) };
}

/**
 * The client id of a message without one: derived from its content and `sendTime`. Without `sendTime` it is random, so
 * a repeated message is stored again.
 */
function derivedClientID(device: string, conversation: string, sendTime: string | undefined, hash: string): string {
  if (sendTime === undefined) return `~${randomBytes(16).toString('base64url')}`;
  return `~${contentHash(JSON.stringify([device, conversation, sendTime, hash]))}`;
}
