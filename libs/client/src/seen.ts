import type { Delivery } from '@huizhi/protocol/client';
import { contentDigest } from './content-hash.js';
import type { SeenMessage } from './observer.js';

/** A delivery (or a message of history) as the history checker wants to know it. */
export function seen(delivery: Delivery): SeenMessage {
  const { messageID, conversationID, seq, fromUserID, toUserID, groupID, chatType, contenType, clientMsgID, content } =
    delivery;
  return {
    messageID,
    conversation: conversationID,
    seq,
    from: fromUserID,
    to: chatType === 'userChat' ? `u:${toUserID ?? ''}` : `g:${groupID ?? ''}`,
    kind: contenType,
    ...(clientMsgID === undefined ? {} : { clientMsgID }),
    hash: contentDigest(contenType, content),
  };
}
