import { existsSync } from 'node:fs';
import { optionsThatDiffer, printComparison, sameMachine } from './compare.js';
import { load, referenceFile, write } from './result.js';
import { measure, sound, type Print } from './run-bench.js';

/** Short and constant. At this rate no service is near its limit, so CPU per message is comparable. */
const PROFILE = { sessions: 200, rate: 2000, warmUp: 3, seconds: 8, bytes: 250 };
const RUNS = 3;
/**
 * Minimum factor for a different machine. The calibration does not cover wake-ups and system calls, which dominate the
 * cost.
 */
const OTHER_MACHINE = 2;

/**
 * Measures the profile against bench/reference.json. Resolves with true when it is within the limit and has no faults.
 */
export async function gate(limit: number, print: Print): Promise<boolean> {
  if (!existsSync(referenceFile())) throw new Error('there is no bench/reference.json: create it with --renew');
  const reference = load(referenceFile());
  const result = await measure('throughput', PROFILE, RUNS, print);
  const different = optionsThatDiffer(reference, result);
  if (different.length > 0)
    throw new Error(`the reference has different options (${different.join('; ')}): renew it with --renew`);
  const allowed = sameMachine(reference, result) ? limit : Math.max(limit, OTHER_MACHINE);
  print(`\nthe reference of ${reference.date.slice(0, 10)} and now, medians of ${RUNS} runs, at most ${allowed} times`);
  const within = printComparison(reference, result, allowed, print);
  for (const fault of result.runs.flatMap(({ faults }) => faults).slice(0, 20)) print(`FAULT ${fault}`);
  print(within && sound(result) ? 'passed' : 'FAILED');
  return within && sound(result);
}

/** Saves this measurement as the reference, unless a message was lost, duplicated or reordered. */
export async function renewReference(print: Print): Promise<boolean> {
  const result = await measure('throughput', PROFILE, RUNS, print);
  if (!sound(result)) {
    for (const fault of result.runs.flatMap(({ faults }) => faults).slice(0, 20)) print(`FAULT ${fault}`);
    return false;
  }
  write(result, referenceFile());
  print('written to bench/reference.json');
  return true;
}
