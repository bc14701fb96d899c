import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { eventually } from './eventually.js';

/**
 * The content of a pid file: a pid and the start time of that process. The start time distinguishes the process from a
 * later one with the same pid, so that no unrelated process is signalled.
 */
export interface ProcessIdentity {
  pid: number;
  startedAt: string;
}

/** `undefined` when there is no such process, or when it is a zombie. */
export function identityOf(pid: number): ProcessIdentity | undefined {
  const startedAt = process.platform === 'linux' ? startTimeFromProc(pid) : startTimeFromPs(pid);
  return startedAt === undefined ? undefined : { pid, startedAt };
}

/** Parses the text of a pid file; `undefined` when the text is invalid. */
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

/** Kills the process named in the pid file if it still runs: it outlived the process that started it. */
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
  // The program name, in parentheses, may hold spaces and parentheses: count fields after the last one.
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
