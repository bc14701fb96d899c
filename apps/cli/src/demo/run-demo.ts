import { isHopeless } from '../explain.js';
import { DemoContext, type Step } from './demo-context.js';
import type { DemoTarget } from './target.js';
import { bothReceipts } from './steps/both-receipts.js';
import { login } from './steps/login.js';
import { offlineBatch } from './steps/offline-batch.js';
import { order } from './steps/order.js';
import { resendIsIdempotent } from './steps/resend-is-idempotent.js';
import { textBothWays } from './steps/text-both-ways.js';
import { twoDevices } from './steps/two-devices.js';

const steps: readonly Step[] = [login, textBothWays, bothReceipts, resendIsIdempotent, offlineBatch, order, twoDevices];

/**
 * Runs a demonstration on a running system. Every step checks its results with new users, so it can be repeated on the
 * same data. Each step prints `step ok <name>` or `step failed <name>: why` within about ten seconds.
 * @throws the client's error when the system is unreachable or refuses the login, because then no step can succeed
 */
export async function runDemo(
  target: DemoTarget,
  print: (line: string) => void,
): Promise<{ ok: number; failed: number }> {
  const counts = { ok: 0, failed: 0 };
  for (const step of steps) {
    const demo = new DemoContext(target);
    try {
      await step.run(demo);
      counts.ok++;
      print(`step ok ${step.name}`);
    } catch (error) {
      if (isHopeless(error)) throw error;
      counts.failed++;
      print(`step failed ${step.name}: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      await demo.clear();
    }
  }
  return counts;
}
