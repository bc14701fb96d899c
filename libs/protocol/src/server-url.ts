/** RFC 3986: scheme, authority and the rest. */
const URL_PARTS = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)(.*)$/i;
const ENCODE =
  'if the user or password has one of @ # / ? % or a space, percent-encode it (@ is %40, # is %23, / is %2F, ? is %3F, % is %25)';

/**
 * The problem of a server URL, as a sentence without its subject; undefined if the URL is valid. The sentence never
 * contains any part of the URL, because all of it may be the password.
 * @param schemes without the colon
 * @param withCredentials whether user and password are allowed
 */
export function serverUrlProblem(
  text: string,
  schemes: readonly string[],
  withCredentials: boolean,
): string | undefined {
  const names = schemes.map((scheme) => `${scheme}://`).join(' or ');
  const [, scheme = '', authority = '', rest = ''] = URL_PARTS.exec(text) ?? [];
  if (!schemes.includes(scheme.toLowerCase())) return `must begin with ${names}`;
  const hint = withCredentials ? `; ${ENCODE}` : '';
  if (/[\s\p{Cc}]/u.test(text)) return `must not hold spaces or control characters${hint}`;
  if (!withCredentials && authority.includes('@')) return 'must not hold a user or password';
  // A raw / ? or # ends the authority, so the rest of the password would not be read as one.
  if (withCredentials && (/[@#]/.test(rest) || authority.split('@').length > 2)) {
    return `cannot be read: there is a character that ends the user, password or host too early${hint}`;
  }
  const [host = '', credentials = ''] = authority.split('@').reverse();
  if (!isEncoded(credentials)) return `has a % that no two hexadecimal digits follow, or that encodes no text${hint}`;
  if (host === '' || host.startsWith(':')) return `must name a host: ${schemes[0]}://host:port`;
  const [, name = '', port] = /^(\[[0-9a-f:.]+\]|[^:[\]]+)(?::(.*))?$/i.exec(host) ?? [];
  if (name === '') return `must be like ${schemes[0]}://host:port${hint}`;
  if (port !== undefined && !/^\d+$/.test(port)) return `must have a number after the host's colon${hint}`;
  if (port !== undefined && !isPort(Number(port))) return 'must have a port from 1 to 65535';
  return URL.canParse(text) ? undefined : `must be like ${schemes[0]}://host:port${hint}`;
}

const isPort = (port: number): boolean => port >= 1 && port <= 65_535;

function isEncoded(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

export interface ServerParts {
  readonly scheme: string;
  /** A name or an address. */
  readonly host: string;
  readonly port: string;
  /** Plain text, not percent-encoded. */
  readonly user: string;
  /** Plain text, not percent-encoded. */
  readonly password: string;
  readonly database?: string;
  /** `sslmode` of PostgreSQL; empty if not given. */
  readonly sslMode?: string;
}

/** The URL of a server, with user, password and database percent-encoded. */
export function serverUrlOf({ scheme, host, port, user, password, database, sslMode }: ServerParts): string {
  const secret = password === '' ? '' : `:${encodeURIComponent(password)}`;
  const credentials = user === '' && secret === '' ? '' : `${encodeURIComponent(user)}${secret}@`;
  const path = database === undefined ? '' : `/${encodeURIComponent(database)}`;
  const query = sslMode ? `?sslmode=${encodeURIComponent(sslMode)}` : '';
  return `${scheme}://${credentials}${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}:${port}${path}${query}`;
}
