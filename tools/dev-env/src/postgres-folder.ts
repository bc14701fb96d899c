import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

/** The user that PostgreSQL runs as, and the folder of its files. */
export interface PostgresFolder {
  /** Writable by this process; the cluster's folder is created inside it. */
  home: string;
  /** Set when this process is root: PostgreSQL refuses to run as root. */
  user: { name: string; uid: number; gid: number } | undefined;
  /** Set when the files are not in the requested folder; a sentence with the reason. */
  note: string | undefined;
}

/**
 * As an ordinary user: `dataDir` itself. As root: `dataDir` if the user `postgres` (else `nobody`) can reach it.
 * Otherwise a folder in the system's temporary folder; its name is a hash of the path, so that the next start finds it
 * again.
 */
export function postgresFolder(dataDir: string): PostgresFolder {
  const home = resolve(dataDir);
  mkdirSync(home, { recursive: true, mode: 0o711 });
  if (process.getuid?.() !== 0) return { home, user: undefined, note: undefined };
  const user = systemUser('postgres') ?? systemUser('nobody');
  if (!user) throw new Error('PostgreSQL does not run as root, and there is no user `postgres` or `nobody`: add one');
  const barrier = firstUnreachable(home, user);
  if (barrier === undefined) return { home, user, note: undefined };
  const key = createHash('sha256').update(home).digest('hex').slice(0, 16);
  const substitute = join(tmpdir(), `huizhi-${key}`);
  makePrivate(substitute);
  return {
    home: substitute,
    user,
    note: `the user ${user.name}, which runs PostgreSQL, cannot enter ${barrier}: the files are in ${substitute}`,
  };
}

/** Creates an empty folder that PostgreSQL accepts: owned by its user and closed to others. */
export function makeClusterFolder(path: string, user: PostgresFolder['user']): void {
  mkdirSync(path, { mode: 0o700 });
  if (user) chownSync(path, user.uid, user.gid);
}

/**
 * Removes the `postmaster.pid` of a killed server when another program has its pid now. PostgreSQL would take that
 * program for the old server and refuse to start. Every process of a server works in the cluster's folder; while one
 * does, the file stays. Without /proc, PostgreSQL decides alone.
 */
export function removeStalePid(cluster: string): void {
  const file = join(cluster, 'postmaster.pid');
  let pid: number;
  try {
    pid = Number(readFileSync(file, 'utf8').split('\n', 1)[0]);
  } catch {
    return;
  }
  // PostgreSQL itself handles a pid that no process has.
  if (process.platform !== 'linux' || !isExisting(pid)) return;
  if (!hasProcess(realpathSync(cluster))) rmSync(file, { force: true });
}

function isExisting(pid: number): boolean {
  try {
    statSync(`/proc/${pid}`);
    return true;
  } catch {
    return false;
  }
}

/** Whether any process, as far as permissions allow, has this as its working folder. */
function hasProcess(folder: string): boolean {
  return readdirSync('/proc').some((entry) => {
    if (!/^\d+$/.test(entry)) return false;
    try {
      return readlinkSync(`/proc/${entry}/cwd`) === folder;
    } catch {
      return false;
    }
  });
}

function systemUser(name: string): PostgresFolder['user'] {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((each) => each.startsWith(`${name}:`));
  const [, , uid, gid] = line?.split(':') ?? [];
  return uid && gid ? { name, uid: Number(uid), gid: Number(gid) } : undefined;
}

function firstUnreachable(folder: string, user: { uid: number; gid: number }): string | undefined {
  const chain: string[] = [];
  for (let path = folder; path !== dirname(path); path = dirname(path)) chain.unshift(path);
  return chain.find((path) => {
    const { mode, uid, gid } = statSync(path);
    const bit = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001;
    return (mode & bit) === 0;
  });
}

/** The name is predictable and the temporary folder is shared: accept only a real folder owned by this user. */
function makePrivate(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o711 });
  const stat = lstatSync(path);
  if (!stat.isDirectory() || stat.uid !== process.getuid?.()) {
    throw new Error(`${path} exists and is not a folder of this user: remove it`);
  }
  chmodSync(path, 0o711);
}
