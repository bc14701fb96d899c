import { readFileSync } from 'node:fs';
import { inboxOf } from '@huizhi/protocol';
import { credsAuthenticator, nkeyAuthenticator, type Authenticator } from '@nats-io/transport-node';

/** How a process proves to NATS which user it is: by the URL, or by one of the two files. */
export interface BusCredentials {
  /**
   * One server, or several with commas, as HZ_NATS_URL has it: `nats://user:password@host`, `nats://token@host` or `nats://host`. Several
   * servers are one cluster and share the credentials of the first.
   */
  readonly url: string;
  /** Names the process's inbox when the URL names no user: the word of the service, for which the allow-lists are made. */
  readonly service?: string;
  /** A credentials file, as `nsc` makes it: JWT and seed of a user. Read again at each connection, so that it may be replaced. */
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
  /** Where answers to the process come: below the name of its user, which may be the only one to listen there. */
  inboxPrefix: string;
}

/** The credentials as the NATS client wants them: it reads none out of a URL. */
export function natsServers(credentials: BusCredentials): NatsServers {
  const { credsFile, nkeyFile } = credentials;
  const urls = credentials.url.split(',').map((one) => new URL(one));
  const servers = urls.map((one) => `${one.protocol}//${one.host}`);
  const base = { servers, inboxPrefix: inboxOf(busUser(credentials)) };
  if (credsFile) return { ...base, authenticator: credsAuthenticator(() => readFileSync(credsFile)) };
  if (nkeyFile) return { ...base, authenticator: nkeyAuthenticator(() => seedIn(nkeyFile)) };
  const { username, password } = urls[0] ?? { username: '', password: '' };
  if (!username) return base;
  // A user without a password is a token, as in NATS's own tools.
  if (!password) return { ...base, token: decodeURIComponent(username) };
  return { ...base, user: decodeURIComponent(username), pass: decodeURIComponent(password) };
}

/** The user of the bus that a process is. A token is none: it is a secret, and subjects are not. */
export function busUser({ url, service = '', credsFile, nkeyFile }: BusCredentials): string {
  const { username, password } = new URL(url.split(',')[0] ?? '');
  return credsFile || nkeyFile || !username || !password ? service : decodeURIComponent(username);
}

/** The variable that holds what the server refused. */
export function credentialsVariable({ credsFile, nkeyFile }: BusCredentials): string {
  return credsFile ? 'HZ_NATS_CREDS_FILE' : nkeyFile ? 'HZ_NATS_NKEY_FILE' : 'HZ_NATS_URL';
}

/** The variables that are wrong, with what to do: several kinds of credentials at once, a file that cannot be used. */
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
    // The text of a file error has the path; that of a parser has nothing of the content.
    const problem = `cannot be used (${(error as Error).message}): give a file that this process can read`;
    return [{ variable, problem }];
  }
}

/** The line with the seed: files made by `nk -gen` or by hand may have comments and an end of line. */
function seedIn(file: string): Uint8Array {
  const seed = /^\s*(SU[A-Z2-7]{56})\s*$/m.exec(readFileSync(file, 'utf8'))?.[1];
  if (seed === undefined) throw new Error('no seed of a user (SU…) in the file');
  return new TextEncoder().encode(seed);
}
