import { readFileSync } from 'node:fs';
import type { BenchOptions, Mode } from './options.js';

/** Files a process has open beside its clients' connections, generously. */
const OTHERS = 500;

/** Connections need open files, here and in the gateway. @returns what to do when there are too few */
export function tooFewFiles(
  { sessions, members }: BenchOptions,
  { beside = 0 }: Pick<Mode, 'beside'>,
  limit = openFilesLimit(),
): string | undefined {
  const needed = Math.max(sessions, members) + beside + OTHERS;
  if (limit >= needed) return undefined;
  return `${needed} open files are needed and ${limit} are allowed: raise the limit (ulimit -n ${needed}) in this shell`;
}

/** What Node has raised it to, which is the hard limit. */
function openFilesLimit(): number {
  try {
    const soft = /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    return soft === undefined || soft === 'unlimited' ? Infinity : Number(soft);
  } catch {
    return Infinity;
  }
}
