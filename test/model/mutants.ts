import { armFailpoints, enableFailpoints, resetFailpoints } from '@huizhi/runtime';
import { Cursors } from '../../apps/gateway/src/delivery/cursors.js';
import { Inbox } from '../../apps/gateway/src/delivery/inbox.js';
import type { PendingSend } from '../../apps/gateway/src/sends/pending-send.js';
import { SessionSends, type Batch } from '../../apps/gateway/src/sends/session-sends.js';
import type { Session } from '../../apps/gateway/src/sessions/session.js';
import { LaneWriter, type Outcome } from '../../apps/message/src/commit/lane-writer.js';
import type { CommitPlan } from '../../apps/message/src/commit/plan.js';
import type { QueuedSend } from '../../apps/message/src/commit/send-batch-task.js';
import { Recipients, type Recipient } from '../../apps/offline/src/recipients.js';

/** A plausible defect, injected into the running services. */
export interface Mutant {
  readonly name: string;
  /** The violation that the model must report, and what reveals it: commands of devices alone, or injected faults. */
  readonly model?: { readonly shownBy: 'devices' | 'trouble'; readonly says: RegExp };
  /** The violation that `faults` must report, if lanes and inboxes alone can reveal it. */
  readonly faults?: RegExp;
  /** Injects the defect. Returns a function that removes it. */
  readonly seed: () => () => void;
}

type Method<This, Args extends unknown[], Result> = (this: This, ...args: Args) => Result;

/** Replaces a method, also a private one, so that production code needs no hook. */
function instead<This, Args extends unknown[], Result>(
  owner: { readonly prototype: object },
  method: string,
  made: (original: Method<This, Args, Result>) => Method<This, Args, Result>,
): () => void {
  const methods = owner.prototype as Record<string, Method<This, Args, Result>>;
  const original = methods[method];
  if (!original) throw new Error(`there is no method ${method} any more: the mutant would change nothing`);
  methods[method] = made(original);
  return () => void (methods[method] = original);
}

/** A defect that exists in the services behind a failpoint. */
const seeded = (bug: string) => (): (() => void) => {
  enableFailpoints({ bugs: true });
  armFailpoints(`${bug}=error`);
  return resetFailpoints;
};

export const mutants: readonly Mutant[] = [
  {
    name: 'a receipt before the commit',
    model: {
      shownBy: 'trouble',
      says: /is known, the history ends at|has the (messageID|seq) of|a message that was not sent|is \{.*\} and|without a reason/,
    },
    // A refusal is also sent before the transaction has seen that its message is already stored.
    faults: /and was told \d|was refused: notAllowed/,
    seed: seeded('bug.ack-before-commit'),
  },
  {
    name: 'a commit of unknown outcome reported as a refusal',
    model: { shownBy: 'trouble', says: /refused .*but it is stored|was refused but is stored|without a reason/ },
    faults: /was refused: badField/,
    seed: () =>
      instead<LaneWriter, [QueuedSend[], Error], Promise<Outcome[]>>(LaneWriter, 'recover', (original) => {
        return async function (items, error) {
          const outcomes = await original.call(this, items, error);
          if (error.name !== 'CommitUnknownError') return outcomes;
          return [{ kind: 'refused', sends: items, receipt: { error: 'badField', reason: 'a mutant' } }];
        };
      }),
  },
  {
    name: 'a duplicate taken for a new message',
    model: { shownBy: 'devices', says: /is \{.*\} and \{|has the (messageID|seq) of|are both stored/ },
    seed: () => {
      let copies = 0;
      return instead<SessionSends, [PendingSend, number], unknown>(SessionSends, 'offer', (original) => {
        return function (pending, now) {
          const clientID = `${pending.send.clientID}#${++copies}`;
          return original.call(this, { ...pending, send: { ...pending.send, clientID } }, now);
        };
      });
    },
  },
  {
    name: "a sender's messages in reverse order",
    model: { shownBy: 'devices', says: /overtook/ },
    seed: () =>
      instead<SessionSends, unknown[], Batch>(SessionSends, 'collectBatch', (original) => {
        return function (...args) {
          const batch = original.apply(this, args);
          return { ...batch, sends: [...batch.sends].reverse() };
        };
      }),
  },
  {
    name: 'a hole in seq',
    model: { shownBy: 'devices', says: /at place|seqs are|ends at/ },
    faults: /seq \d+ follows \d+/,
    seed: () =>
      instead<LaneWriter, [CommitPlan], void>(LaneWriter, 'apply', (original) => {
        return function (plan) {
          for (const one of plan.conversations) one.state = { ...one.state, seq: one.state.seq + 1 };
          original.call(this, plan);
        };
      }),
  },
  {
    name: 'delivered taken for receipted',
    model: { shownBy: 'devices', says: /which it has not receipted/ },
    seed: seeded('bug.delivered-at-push'),
  },
  {
    name: 'a reader that skips gaps',
    faults: /no entry for \d+:\d+/,
    seed: seeded('bug.cursor-reader'),
  },
  {
    name: 'one cursor for all devices of a user',
    model: { shownBy: 'devices', says: /which it has not receipted|which it was never delivered|does not follow/ },
    seed: seeded('bug.user-wide-cursor'),
  },
  {
    name: 'a confirm before the cursor is stored',
    model: { shownBy: 'devices', says: /after \d+ was confirmed/ },
    seed: () =>
      instead<Cursors, [Session], void>(Cursors, 'receipted', (original) => {
        return function (session) {
          session.inbox.stored = session.inbox.cursor;
          original.call(this, session);
        };
      }),
  },
  {
    name: 'a receipt accepted for a message that was not delivered',
    model: { shownBy: 'devices', says: /which it has not receipted/ },
    seed: () =>
      instead<Inbox, [string, number], void>(Inbox, 'receiptMessage', (original) => {
        return function (messageID, now) {
          const before = this.cursor;
          original.call(this, messageID, now);
          if (this.cursor === before) this.receiptUpTo(before + 1, now);
        };
      }),
  },
  {
    name: 'an entry in the inbox of an unrelated user',
    model: { shownBy: 'devices', says: /which is for/ },
    faults: /an entry for \d+:\d+, which is not theirs/,
    seed: () =>
      instead<Recipients, [string[]], readonly Recipient[]>(Recipients, 'located', (original) => {
        return function (users) {
          const third = `${users[0]?.split('-')[0]}-c`;
          return original.call(this, [...new Set([...users, third])]);
        };
      }),
  },
];
