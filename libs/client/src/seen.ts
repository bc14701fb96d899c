import type { Delivery } from '@huizhi/protocol/client';
import { contentDigest } from './content-hash.js';
import type { SeenMessage } from './observer.js';

/** Converts a delivery or a message of history to the history checker's form. */
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
