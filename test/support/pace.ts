import { setTimeout as delay } from 'node:timers/promises';
import type { Observed } from '@huizhi/client';
import type { Stated } from '@huizhi/history-checker';
import { eventually } from '@huizhi/dev-env';

/** Milliseconds since the send; Infinity until it has happened. */
interface Times {
  said: number;
  receipted: number;
  delivered: number;
}

/** Measures how long messages of a scenario take until their receipt, and until their first delivery. */
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
   * The 99th percentiles of receipt and delivery times, in milliseconds, of all messages sent in the next `ms`
   * milliseconds. Waits at most `patienceMs` after them.
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
