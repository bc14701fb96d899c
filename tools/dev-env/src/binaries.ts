import { accessSync, constants, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { searchPath } from './environment.config.js';

/**
 * Absolute paths; `null` for a program that is not installed. `postgres`, `initdb` and `pgCtl` are of the same version.
 */
export interface Binaries {
  postgres: string | null;
  initdb: string | null;
  pgCtl: string | null;
  natsServer: string | null;
  openssl: string | null;
  /** For tests only. */
  chromium: string | null;
  pgbouncer: string | null;
}

/** The Debian package that contains each program; used in error messages. */
const PACKAGES: Record<keyof Binaries, string> = {
  postgres: 'postgresql',
  initdb: 'postgresql',
  pgCtl: 'postgresql',
  natsServer: 'nats-server',
  openssl: 'openssl',
  chromium: 'chromium',
  pgbouncer: 'pgbouncer',
};

/** Searches PATH and Debian's server folders, /usr/lib/postgresql/<newest>/bin and /usr/sbin. Starts no process. */
export function findBinaries(): Binaries {
  const path = searchPath();
  const system = [...path, '/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin'];
  // Debian's own folders come first: Debian's PATH holds only the clients, and all three programs must be of one
  // version.
  const postgresFolder = [...debianPostgresFolders(), ...path, '/usr/local/pgsql/bin'].find(
    (folder) => isExecutable(join(folder, 'postgres')) && isExecutable(join(folder, 'initdb')),
  );
  return {
    postgres: postgresFolder ? join(postgresFolder, 'postgres') : null,
    initdb: postgresFolder ? join(postgresFolder, 'initdb') : null,
    pgCtl: postgresFolder ? firstExecutable([postgresFolder], 'pg_ctl') : null,
    natsServer: firstExecutable(system, 'nats-server'),
    openssl: firstExecutable(system, 'openssl'),
    chromium: firstExecutable(system, 'chromium'),
    pgbouncer: firstExecutable(system, 'pgbouncer'),
  };
}

/** The path of one program. Throws an error that names the package to install. */
export function requireBinary(name: keyof Binaries): string {
  const path = findBinaries()[name];
  if (path === null) {
    throw new Error(`${name} is not installed. Run \`npm run setup\`, or install the package "${PACKAGES[name]}"`);
  }
  return path;
}

function debianPostgresFolders(): string[] {
  const base = '/usr/lib/postgresql';
  let versions: string[];
  try {
    versions = readdirSync(base);
  } catch {
    return [];
  }
  return versions
    .filter((version) => /^\d+$/.test(version))
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => join(base, version, 'bin'));
}

function firstExecutable(folders: string[], name: string): string | null {
  return folders.map((folder) => join(folder, name)).find(isExecutable) ?? null;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
