import type { Mode } from '@huizhi/client';
import { isHopeless } from '../explain.js';
import { DemoContext, type Step } from './demo-context.js';
import { bothReceipts } from './steps/both-receipts.js';
import { login } from './steps/login.js';
import { offlineBatch } from './steps/offline-batch.js';
import { order } from './steps/order.js';
import { resendIsIdempotent } from './steps/resend-is-idempotent.js';
import { textBothWays } from './steps/text-both-ways.js';
import { twoDevices } from './steps/two-devices.js';

export interface DemoTarget {
  host: string;
  port: number;
  /** PEM of what to trust; empty when the server runs without TLS. */
  ca: string;
  /** Default: lines. */
  mode?: Mode;
  /** The system asks for no tokens (`AUTH=open`): that it refuses a wrong one is not claimed. */
  open?: boolean;
  token(userID: string): Promise<string>;
}

const steps: readonly Step[] = [login, textBothWays, bothReceipts, resendIsIdempotent, offlineBatch, order, twoDevices];

/**
 * A conversation on a running system. Every step checks what it claims, with users of its own, so that it can be run
 * again on the same data; it says `step ok <name>` or `step failed <name>: why`, within ten seconds or so.
 * @throws what the client throws when the system cannot be reached or refuses the login: no step could succeed then
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
