import { randomBytes } from 'node:crypto';
import {
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
import type { Session } from '../session/session.js';
import type { Result } from './outcome.js';
import { send } from './send.js';
import type { Services } from './services.js';

/** `messageType: normal`: a message to a user or a group. */
export function chat(services: Services, session: Session, frame: Chat): Result {
  return send(services, session, chatSend(session, frame, services.config.MESSAGE_LANES));
}

/** The sender is the session's; whatever the frame says about it is not even read. */
export function chatSend({ identity }: Pick<Session, 'identity'>, frame: Chat, lanes: number): PendingSend {
  const { user, device, deviceType } = identity;
  const { chatType, contenType, clientMsgID, sendTime, atToUserIDs } = frame;
  const target = targetOf(frame);
  const isPair = chatType === 'userChat';
  const conversation = isPair ? pairConversation(user, target) : groupConversation(target);
  const content = JSON.stringify(frame.content);
  // What makes it the same message when a client id is used again: not the clock, not the kind of device.
  const hash = contentHash(`${contenType}\n${chatType}:${target}\n${JSON.stringify(atToUserIDs ?? [])}\n${content}`);
  const clientID = clientMsgID ?? derivedClientID(device, conversation, sendTime, hash);
  const to: Partial<Send> = isPair ? { to: target } : { group: target };
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
  return pendingSend(laneOf(conversation, lanes), { conversation, clientID, hash, ...to }, body, echoOf(frame));
}

/** Clients that give no id are known by what they say and when. Who gives no time either cannot be known again: each is new. */
function derivedClientID(device: string, conversation: string, sendTime: string | undefined, hash: string): string {
  if (sendTime === undefined) return `~${randomBytes(16).toString('base64url')}`;
  return `~${contentHash(JSON.stringify([device, conversation, sendTime, hash]))}`;
}
