import type { DedicatedConnection } from '@huizhi/runtime';
import { Cursors } from '../../apps/gateway/src/delivery/cursors.js';
import { Inbox } from '../../apps/gateway/src/delivery/inbox.js';
import type { PendingSend } from '../../apps/gateway/src/sends/pending-send.js';
import { SessionSends, type Batch } from '../../apps/gateway/src/sends/session-sends.js';
import type { Session } from '../../apps/gateway/src/session/session.js';
import { LaneWriter, type Outcome } from '../../apps/message/src/lanes/lane-writer.js';
import type { Plan } from '../../apps/message/src/lanes/plan.js';
import type { Item } from '../../apps/message/src/lanes/work.js';
import type { CursorPlan } from '../../apps/offline/src/inbox/plan-works.js';
import { Settling } from '../../apps/offline/src/inbox/settling.js';
import { Recipients, type Recipient } from '../../apps/offline/src/recipients.js';

/** A mistake that somebody could make in the services, made in them as they run. */
export interface Mutant {
  readonly name: string;
  /** What the model must say of it. */
  readonly caughtAs: RegExp;
  /** Makes the mistake. Returns what takes it back. */
  readonly seed: () => () => void;
}

type Method<This, Args extends unknown[], Result> = (this: This, ...args: Args) => Result;

/** Puts another method in place of one, private ones too: production code has no place for such a thing, nor should it. */
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

/** How long a commit lags behind its receipt. */
const BEHIND_MS = 60;

/** Runs the work and takes it back, answers, and does it for good a little later: what is not done by then is lost. */
function writeBehind(real: DedicatedConnection): DedicatedConnection {
  class TakenBack extends Error {}
  let waiting: (() => Promise<unknown>) | undefined;
  const flush = async (): Promise<void> => {
    const work = waiting;
    waiting = undefined;
    await work?.().catch(() => undefined);
  };
  const transaction: DedicatedConnection['transaction'] = async (work) => {
    await flush();
    let result!: Awaited<ReturnType<typeof work>>;
    const trial = real.transaction(async (client) => {
      result = await work(client);
      throw new TakenBack();
    });
    await trial.catch((error: unknown) => {
      if (!(error instanceof TakenBack)) throw error;
    });
    waiting = () => real.transaction(work);
    setTimeout(() => void flush(), BEHIND_MS);
    return result;
  };
  return { exclusive: real.exclusive.bind(real), transaction } as DedicatedConnection;
}

export const mutants: readonly Mutant[] = [
  {
    name: 'a receipt before the commit',
    caughtAs: /is known, the history ends at|has the (messageID|seq) of|waited .* for|what nobody sent|is \{.*\} and/,
    seed: () => {
      const behind = new WeakMap<object, DedicatedConnection>();
      return instead<{ connection: DedicatedConnection }, [Item[]], Promise<Plan>>(
        LaneWriter,
        'attempt',
        (original) => {
          return function (items) {
            const known = behind.get(this);
            if (!known) behind.set(this, (this.connection = writeBehind(this.connection)));
            return original.call(this, items);
          };
        },
      );
    },
  },
  {
    name: 'a commit of unknown outcome called a refusal',
    caughtAs: /refused .*but it is stored|was refused and is there|without a reason/,
    seed: () =>
      instead<LaneWriter, [Item[], Error], Promise<Outcome[]>>(LaneWriter, 'recover', (original) => {
        return async function (items, error) {
          const outcomes = await original.call(this, items, error);
          if (error.name !== 'CommitUnknownError') return outcomes;
          return [{ kind: 'refused', items, receipt: { error: 'badField', reason: 'a mutant' } }];
        };
      }),
  },
  {
    name: 'a duplicate taken for a new message',
    caughtAs: /is \{.*\} and \{|has the (messageID|seq) of|are both stored/,
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
    name: "a sender's messages in another order",
    caughtAs: /overtook/,
    seed: () =>
      instead<SessionSends, unknown[], Batch>(SessionSends, 'gather', (original) => {
        return function (...args) {
          const batch = original.apply(this, args);
          return { ...batch, sends: [...batch.sends].reverse() };
        };
      }),
  },
  {
    name: 'a hole in seq',
    caughtAs: /at place|seqs are|ends at/,
    seed: () =>
      instead<LaneWriter, [Plan], void>(LaneWriter, 'apply', (original) => {
        return function (plan) {
          for (const one of plan.conversations) one.state = { ...one.state, seq: one.state.seq + 1 };
          original.call(this, plan);
        };
      }),
  },
  {
    name: 'delivered taken for receipted',
    caughtAs: /which it has not receipted/,
    seed: () =>
      instead<Inbox, [string | undefined, number], boolean>(Inbox, 'take', (original) => {
        return function (messageID, now) {
          const written = original.call(this, messageID, now);
          this.receiptUpTo(this.next - 1, now);
          return written;
        };
      }),
  },
  {
    name: 'one cursor for all devices of a user',
    caughtAs: /which it has not receipted|waited .* for everything owed|does not follow/,
    seed: () =>
      instead<Settling, [CursorPlan], void>(Settling, 'cursor', (original) => {
        return function (plan) {
          original.call(this, plan);
          const devices = plan.lane.users.get(plan.work.user)?.devices.values() ?? [];
          for (const device of devices) device.cursor = Math.max(device.cursor, plan.cursor);
        };
      }),
  },
  {
    name: 'a confirm before the cursor is stored',
    caughtAs: /after \d+ was confirmed/,
    seed: () =>
      instead<Cursors, [Session], void>(Cursors, 'receipted', (original) => {
        return function (session) {
          session.inbox.stored = session.inbox.cursor;
          original.call(this, session);
        };
      }),
  },
  {
    name: 'a receipt believed for what was not delivered',
    caughtAs: /which it has not receipted/,
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
    name: 'an entry in the inbox of somebody else',
    caughtAs: /which is for/,
    seed: () =>
      instead<Recipients, [string[]], readonly Recipient[]>(Recipients, 'located', (original) => {
        return function (users) {
          const third = `${users[0]?.split('-')[0]}-c`;
          return original.call(this, [...new Set([...users, third])]);
        };
      }),
  },
];
