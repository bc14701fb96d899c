import { readFileSync } from 'node:fs';
import { inboxOf } from '@huizhi/protocol';
import { credsAuthenticator, nkeyAuthenticator, type Authenticator } from '@nats-io/transport-node';

/** Credentials of a process at NATS: in the URL or in one of the two files. */
export interface BusCredentials {
  /**
   * One server or several separated by commas, as in HZ_NATS_URL: `nats://user:password@host`, `nats://token@host` or
   * `nats://host`. Several servers are one cluster and use the credentials of the first.
   */
  readonly url: string;
  /** Name of the inbox when the URL names no user: the name of the service, as in the permissions. */
  readonly service?: string;
  /**
   * A credentials file as `nsc` creates it: JWT and seed of a user. Read again at each connection, so it may be
   * replaced.
   */
  readonly credsFile?: string;
  /** A file with the seed of a user's NKey (`SU…`). Read again at each connection. */
  readonly nkeyFile?: string;
}

export interface NatsServers {
  /** `host:port`, with the scheme where it means TLS. */
  servers: string[];
  user?: string;
  pass?: string;
  token?: string;
  authenticator?: Authenticator;
  /** Prefix of reply subjects: below the name of the process's user, which may be the only one to subscribe there. */
  inboxPrefix: string;
}

/** The credentials in the form of the NATS client, which does not read credentials from a URL. */
export function natsServers(credentials: BusCredentials): NatsServers {
  const { credsFile, nkeyFile } = credentials;
  const urls = credentials.url.split(',').map((one) => new URL(one));
  const servers = urls.map((one) => `${one.protocol}//${one.host}`);
  const base = { servers, inboxPrefix: inboxOf(busUser(credentials)) };
  if (credsFile) return { ...base, authenticator: credsAuthenticator(() => readFileSync(credsFile)) };
  if (nkeyFile) return { ...base, authenticator: nkeyAuthenticator(() => seedIn(nkeyFile)) };
  const { username, password } = urls[0] ?? { username: '', password: '' };
  if (!username) return base;
  // A user without a password is a token, as in the tools of NATS.
  if (!password) return { ...base, token: decodeURIComponent(username) };
  return { ...base, user: decodeURIComponent(username), pass: decodeURIComponent(password) };
}

/** The bus user of the process. Never a token: it is secret, and subjects are not. */
export function busUser({ url, service = '', credsFile, nkeyFile }: BusCredentials): string {
  const { username, password } = new URL(url.split(',')[0] ?? '');
  return credsFile || nkeyFile || !username || !password ? service : decodeURIComponent(username);
}

/** The variable with the credentials that the server refused. */
export function credentialsVariable({ credsFile, nkeyFile }: BusCredentials): string {
  return credsFile ? 'HZ_NATS_CREDS_FILE' : nkeyFile ? 'HZ_NATS_NKEY_FILE' : 'HZ_NATS_URL';
}

/** The variables that are wrong, each with the fix: several kinds of credentials, or an unusable file. */
export function credentialsProblems(credentials: BusCredentials): { variable: string; problem: string }[] {
  const { url, credsFile, nkeyFile } = credentials;
  const variable = credentialsVariable(credentials);
  const inUrl = url.split(',').some((one) => new URL(one).username !== '');
  const given = [
    inUrl && 'credentials in HZ_NATS_URL',
    nkeyFile && 'HZ_NATS_NKEY_FILE',
    credsFile && 'HZ_NATS_CREDS_FILE',
  ];
  const kinds = given.filter((kind) => typeof kind === 'string' && kind !== '');
  if (kinds.length > 1) return [{ variable, problem: `give one of ${kinds.join(', ')}` }];
  try {
    natsServers(credentials).authenticator?.('nonce');
    return [];
  } catch (error) {
    // A file error contains the path; a parser error contains no content of the file.
    const problem = `cannot be used (${(error as Error).message}): give a file that this process can read`;
    return [{ variable, problem }];
  }
}

/** The line with the seed: files made by `nk -gen` or by hand may have comments and a line end. */
function seedIn(file: string): Uint8Array {
  const seed = /^\s*(SU[A-Z2-7]{56})\s*$/m.exec(readFileSync(file, 'utf8'))?.[1];
  if (seed === undefined) throw new Error('no seed of a user (SU…) in the file');
  return new TextEncoder().encode(seed);
}
