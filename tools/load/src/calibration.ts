import { createHash } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';
import { round } from './cpu.js';
import { median } from './medians.js';

const ROUNDS = 2_000;
const SAMPLES = 15;
/** Samples that are discarded until the code is fully compiled. */
const WARM_UP = 12;

const MESSAGE = JSON.stringify({ messageType: 'normal', clientMsgID: '1234567', content: { text: 'x'.repeat(180) } });

/**
 * CPU microseconds per round of a fixed small task: JSON both ways, a hash and a system call, similar to the services'
 * work. Measures the machine's current speed, but not the cost of its wake-ups.
 */
export function calibrate(): number {
  const sink = openSync('/dev/null', 'w');
  try {
    for (let n = 0; n < WARM_UP; n++) sample(sink);
    return round(median(Array.from({ length: SAMPLES }, () => sample(sink))));
  } finally {
    closeSync(sink);
  }
}

function sample(sink: number): number {
  const before = process.cpuUsage();
  for (let n = 0; n < ROUNDS; n++) {
    const text = JSON.stringify({ ...(JSON.parse(MESSAGE) as object), n });
    writeSync(sink, createHash('sha256').update(text).digest('base64'));
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / ROUNDS;
}
