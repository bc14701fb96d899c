import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { eventually } from './eventually.js';

/**
 * What a pid file holds: a pid and when that process started. The second tells a process from a later one that was given
 * the same number, so that nobody else's process is ever signalled.
 */
export interface ProcessIdentity {
  pid: number;
  startedAt: string;
}

/** `undefined` when there is no such process (or it is a zombie). */
export function identityOf(pid: number): ProcessIdentity | undefined {
  const startedAt = process.platform === 'linux' ? startTimeFromProc(pid) : startTimeFromPs(pid);
  return startedAt === undefined ? undefined : { pid, startedAt };
}

/** Parses a pid file's text; `undefined` when it is not one. */
export function parseIdentity(text: string): ProcessIdentity | undefined {
  const match = /^(\d+) (.+)\n?$/.exec(text);
  return match ? { pid: Number(match[1]), startedAt: match[2] as string } : undefined;
}

export function formatIdentity(identity: ProcessIdentity): string {
  return `${identity.pid} ${identity.startedAt}\n`;
}

export function isAlive(identity: ProcessIdentity): boolean {
  return identityOf(identity.pid)?.startedAt === identity.startedAt;
}

export function recordPid(file: string, pid: number): void {
  const identity = identityOf(pid);
  if (!identity) return;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, formatIdentity(identity), { mode: 0o600 });
}

export function removePidFile(file: string): void {
  rmSync(file, { force: true });
}

/** Ends the process a pid file speaks of, if it still runs: it outlived the process that had started it. */
export async function killOrphan(file: string): Promise<void> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return;
  }
  const identity = parseIdentity(text);
  if (identity && isAlive(identity)) {
    process.kill(identity.pid, 'SIGKILL');
    await eventually(`process ${identity.pid} to end`, () => !isAlive(identity), 10_000);
  }
  removePidFile(file);
}

function startTimeFromProc(pid: number): string | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // The program's name, in parentheses, may itself hold spaces and parentheses: count from the last one.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' ? undefined : fields[19];
}

function startTimeFromPs(pid: number): string | undefined {
  try {
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim() || undefined;
  } catch {
    return undefined;
  }
}
