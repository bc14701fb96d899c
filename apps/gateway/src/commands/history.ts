import {
  groupConversation,
  pairConversation,
  targetOf,
  type History,
  type HistoryReply,
  type HistoryRequest,
} from '@huizhi/protocol';
import type { Query } from './query.js';

const DEFAULT_LIMIT = 50;

/** A page of a conversation. The message service reads it from the log and checks whether the user may read it. */
export const history: Query<History, HistoryRequest, HistoryReply> = {
  refusal: 'the conversation does not exist or is not yours to read',
  timeoutMs: ({ HZ_HISTORY_TIMEOUT }) => HZ_HISTORY_TIMEOUT,
  request: ({ user }, frame) => {
    const { chatType, beforeSeq, afterSeq, limit = DEFAULT_LIMIT } = frame;
    const target = targetOf(frame);
    const page = { user, beforeSeq, afterSeq, limit };
    if (chatType === 'groupChat') return { ...page, conversation: groupConversation(target) };
    return { ...page, conversation: pairConversation(user, target), to: target };
  },
  answer: ({ requestID }, { conversation }, { head, bodies }) =>
    `{"messageType":"historyReceipt","requestID":${JSON.stringify(requestID)},` +
    `"conversationID":${JSON.stringify(conversation)},"messages":[${bodies.join(',')}],"hasMore":${head.hasMore}}`,
};
