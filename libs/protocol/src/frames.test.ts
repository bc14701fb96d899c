import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { deliveryText, inboxText, messageIdIn } from './frames.js';
import { messageIdOf, pairConversation } from './ids.js';

const place = () =>
  fc.record({
    lane: fc.nat(1023),
    position: fc.integer({ min: 1, max: 2 ** 43 - 1 }),
    conversation: fc.string().map((one) => pairConversation(one, 'x')),
    seq: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    serverTime: fc.integer({ min: 0, max: 4e12 }),
  });
const body = () =>
  fc.record({
    messageType: fc.constant('normal'),
    fromUserID: fc.string(),
    content: fc.dictionary(
      fc.string().filter((k) => k !== '__proto__'),
      fc.jsonValue(),
    ),
  });

test('deliveryText and inboxText return the JSON of the complete object', () => {
  fc.assert(
    fc.property(place(), body(), fc.integer({ min: 1 }), fc.nat(), (at, part, inboxSeq, back) => {
      const plain = JSON.parse(JSON.stringify(part)) as object;
      const stored = {
        messageID: messageIdOf(at.lane, at.position),
        conversationID: at.conversation,
        seq: at.seq,
        serverTime: String(at.serverTime),
        ...plain,
      };
      const text = deliveryText(at, JSON.stringify(part));
      expect(JSON.parse(text)).toEqual(stored);
      expect(messageIdIn(text)).toBe(stored.messageID);

      const previous = Math.max(0, inboxSeq - 1 - back);
      const jump = previous === inboxSeq - 1 ? {} : { prevInboxSeq: previous };
      expect(JSON.parse(inboxText(text, inboxSeq, previous))).toEqual({ inboxSeq, ...jump, ...stored });
    }),
  );
});

test('inboxText adds prevInboxSeq only when there is a gap', () => {
  expect(inboxText('{"a":1}', 5, 4)).toBe('{"inboxSeq":5,"a":1}');
  expect(inboxText('{"a":1}', 5, 2)).toBe('{"inboxSeq":5,"prevInboxSeq":2,"a":1}');
  expect(inboxText('{"a":1}', 1, 0)).toBe('{"inboxSeq":1,"a":1}');
});
