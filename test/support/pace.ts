import { setTimeout as delay } from 'node:timers/promises';
import type { Observed } from '@huizhi/client';
import type { Stated } from '@huizhi/history-checker';
import { eventually } from '@huizhi/dev-env';

/** Milliseconds from the moment it is said; Infinity as long as it has not happened. */
interface Times {
  said: number;
  receipted: number;
  delivered: number;
}

/** How long the messages of a scene take until their receipt is there, and until they first come to a device. */
export class Pace {
  private readonly messages = new Map<string, Times>();

  saw(user: string, event: Observed | Stated): void {
    const now = performance.now();
    if (event.ev === 'invoke') {
      this.messages.set(`${user} ${event.clientMsgID}`, { said: now, receipted: Infinity, delivered: Infinity });
      return;
    }
    const [from, what] = event.ev === 'received' ? [event.from, 'delivered' as const] : [user, 'receipted' as const];
    if (event.ev !== 'received' && event.ev !== 'ok') return;
    const message = this.messages.get(`${from} ${event.clientMsgID}`);
    if (message) message[what] = Math.min(message[what], now - message.said);
  }

  /**
   * Of what is said in the next `ms` milliseconds: how long 99 of 100 take until they are receipted, and until they are delivered. Nothing is waited
   * for longer than `patienceMs` after them.
   */
  async p99(ms: number, patienceMs: number): Promise<Pick<Times, 'receipted' | 'delivered'>> {
    const from = performance.now();
    await delay(ms);
    const said = [...this.messages.values()].filter((message) => message.said >= from);
    const isDone = ({ receipted, delivered }: Times): boolean => receipted + delivered < Infinity;
    await eventually('all of them', () => said.every(isDone), patienceMs).catch(() => undefined);
    return {
      receipted: p99(said.map(({ receipted }) => receipted)),
      delivered: p99(said.map(({ delivered }) => delivered)),
    };
  }
}

function p99(values: number[]): number {
  const sorted = values.sort((one, other) => one - other);
  return Math.round(sorted[Math.ceil(sorted.length * 0.99) - 1] ?? Infinity);
}
