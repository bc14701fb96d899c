import { expect, test } from '@jest/globals';
import type { ErrorFrame, NormalReceipt } from '@huizhi/protocol/client';
import fc from 'fast-check';
import { toSettings } from './settings.js';
import { Outbox } from './outbox.js';
import { FrameRate } from './rate.js';

interface Written {
  clientMsgID: string;
  lane: string;
}

/**
 * A server that follows the protocol. After a temporary refusal a conversation accepts only the first refused message.
 * Each client id is stored once. Every frame has one answer, in order.
 */
class ProtocolServer {
  readonly stored = new Map<string, string[]>();
  private readonly firstRefused = new Map<string, string>();
  private readonly answers: (NormalReceipt | ErrorFrame)[] = [];

  take(json: string, refuse: boolean): void {
    const { clientMsgID, lane } = JSON.parse(json) as Written;
    const expected = this.firstRefused.get(lane);
    if (expected !== undefined && expected !== clientMsgID)
      return void this.answers.push(error(clientMsgID, 'resendInOrder', 2002));
    this.firstRefused.delete(lane);
    if (refuse) {
      this.firstRefused.set(lane, clientMsgID);
      return void this.answers.push(error(clientMsgID, 'unavailable', 2001));
    }
    const list = this.stored.get(lane) ?? [];
    this.stored.set(lane, list);
    if (!list.includes(clientMsgID)) list.push(clientMsgID);
    const seq = list.indexOf(clientMsgID) + 1;
    this.answers.push({
      messageType: 'normalReceipt',
      messageID: clientMsgID,
      conversationID: lane,
      seq,
      serverTime: '1',
      clientMsgID,
    });
  }

  answer(outbox: Outbox): boolean {
    const answer = this.answers.shift();
    if (answer?.messageType === 'normalReceipt') outbox.stored(answer);
    else if (answer) outbox.refused(answer);
    return answer !== undefined;
  }

  /** A new connection: refusals and pending answers are gone. */
  forget(): void {
    this.firstRefused.clear();
    this.answers.length = 0;
  }
}

const error = (clientMsgID: string, name: string, code: number): ErrorFrame => ({
  messageType: 'error',
  code,
  name,
  temporary: true,
  reason: 'a test',
  clientMsgID,
});

const step = fc.record({
  do: fc.constantFrom('send', 'send', 'send', 'answer', 'answer', 'answer', 'turn', 'reconnect'),
  lane: fc.constantFrom('u:bob', 'u:carol'),
  refuse: fc.boolean(),
});

test('the outbox stores each message once and in sending order per conversation, after any refusal or reconnect', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 80 }), fc.integer({ min: 1, max: 5 }), async (steps, limit) => {
      const timings = { resend: { baseMs: 1, maxMs: 1 }, deadlineMs: 0 };
      const settings = toSettings({
        address: { host: 'x', port: 1 },
        user: 'a',
        deviceID: 'd',
        token: () => '',
        timings,
      });
      const outbox = new Outbox(settings, () => undefined, new FrameRate(), {
        store: undefined,
        failed: () => undefined,
      });
      const server = new ProtocolServer();
      const sent = new Map<string, string[]>();
      let refuse = false;
      let unanswered = 0;
      const online = (): void => {
        server.forget();
        unanswered = 0;
        const sendText = (json: string): void => {
          expect(++unanswered).toBeLessThanOrEqual(limit);
          server.take(json, refuse);
        };
        outbox.online({ sendText, restart: online }, { unansweredSends: limit });
      };
      const answer = (): boolean => {
        // The limit counts down before the answer is processed, because the outbox may send in response.
        unanswered--;
        return server.answer(outbox) || (unanswered++, false);
      };
      online();
      let n = 0;
      for (const { do: what, lane, refuse: refused } of steps) {
        refuse = refused;
        if (what === 'send') {
          const clientMsgID = `m${++n}`;
          sent.set(lane, [...(sent.get(lane) ?? []), clientMsgID]);
          outbox.reserve(clientMsgID, lane, JSON.stringify({ clientMsgID, lane }), 10);
          outbox.pump();
        } else if (what === 'answer') answer();
        else if (what === 'reconnect') online();
        else await new Promise((resolve) => setTimeout(resolve, 1));
      }
      refuse = false;
      for (let turns = 0; outbox.size > 0 && turns < 300; turns++) {
        if (!answer()) await new Promise((resolve) => setTimeout(resolve, 1));
      }
      outbox.abandon('the end of the test');
      expect(Object.fromEntries(server.stored)).toEqual(Object.fromEntries(sent));
    }),
    { numRuns: 100 },
  );
});
