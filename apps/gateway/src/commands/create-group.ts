import { contentHash, groupConversation, groupIdOf, laneOf, type CreateGroup, type Send } from '@huizhi/protocol';
import { echoOf, errorFrame } from '../frames.js';
import { receipts } from '../metrics.js';
import { pendingSend, type PendingSend } from '../sends/pending-send.js';
import type { Session } from '../sessions/session.js';
import { frame as framed, type Outcome } from './outcome.js';
import type { Services } from './services.js';

/**
 * Creates a group of the sender and the given users. Its first message is a tip, which adds one inbox entry per member.
 */
export function composeGroup(services: Services, session: Session, frame: CreateGroup): PendingSend | Outcome {
  if (!services.groupMembers.take(session.user, frame.memberUserIDs.length)) {
    receipts.add('unavailable');
    return framed(errorFrame('unavailable', 'too many members of new groups: retry later', echoOf(frame)));
  }
  return groupSend(session, frame, services.config.HZ_MESSAGE_LANES);
}

export function groupSend({ identity }: Pick<Session, 'identity'>, frame: CreateGroup, lanes: number): PendingSend {
  const { user } = identity;
  const { clientMsgID, sendTime, groupName } = frame;
  const group = groupIdOf(user, clientMsgID);
  const conversation = groupConversation(group);
  const members = [...new Set(frame.memberUserIDs)].filter((member) => member !== user);
  const body = JSON.stringify({
    messageType: 'normal',
    fromUserID: user,
    chatType: 'groupChat',
    contenType: 'tip',
    groupID: group,
    groupName,
    clientMsgID,
    sendTime,
    content: { text: `${user} created the group`, tip: 'groupCreated', memberUserIDs: [user, ...members] },
  });
  const hash = contentHash(JSON.stringify([groupName ?? '', ...members]));
  const send: Send = { kind: 'groupCreated', conversation, clientID: clientMsgID, hash, group, members };
  return pendingSend(laneOf(conversation, lanes), send, body, echoOf(frame));
}
