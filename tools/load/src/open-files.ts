import { readFileSync } from 'node:fs';
import type { Mode } from './mode.js';
import type { BenchOptions } from './options.js';

/** A generous estimate of the open files of a process besides its clients' connections. */
const OTHERS = 500;

/**
 * Checks the open-file limit against the connections of this process and the gateway. @returns the fix when the limit
 * is too low
 */
export function tooFewFiles(
  { sessions, members }: BenchOptions,
  { beside = 0 }: Pick<Mode, 'beside'>,
  limit = openFilesLimit(),
): string | undefined {
  const needed = Math.max(sessions, members) + beside + OTHERS;
  if (limit >= needed) return undefined;
  return `${needed} open files are needed and ${limit} are allowed: raise the limit (ulimit -n ${needed}) in this shell`;
}

/** The limit of this process; Node has raised it to the hard limit. */
function openFilesLimit(): number {
  try {
    const soft = /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    return soft === undefined || soft === 'unlimited' ? Infinity : Number(soft);
  } catch {
    return Infinity;
  }
}
