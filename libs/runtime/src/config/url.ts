import { serverUrlOf, serverUrlProblem } from '@huizhi/protocol';
import type { Environment } from './environment.js';
import type { ConfigProblem, Variable } from './variable.js';
import { choiceSetting, integerSetting, parsed, textSetting, type Setting } from './settings.js';

interface UrlOptions {
  /** Several URLs, separated by commas. */
  readonly many?: boolean;
  /** The URL may contain user and password. */
  readonly credentials?: boolean;
}

/** A URL with one of the schemes, which are given without the colon. Errors never show the value. */
export function urlSetting(
  schemes: readonly string[],
  { many = false, credentials = false }: UrlOptions = {},
): Setting<string> {
  return parsed<string>((text) => {
    const trimmed = text.trim();
    for (const one of many ? trimmed.split(',') : [trimmed]) {
      const problem = serverUrlProblem(one, schemes, credentials);
      if (problem !== undefined)
        return { problem: many ? `${problem} (each URL between commas; a comma itself is %2C)` : problem };
    }
    return { value: trimmed };
  });
}

/** The variables of a server: `<prefix>_URL`, or its parts, in which user and password are not encoded. */
export interface ServerOptions<Prefix extends string> {
  readonly prefix: Prefix;
  readonly schemes: readonly string[];
  /** What the server is, for the documentation: the begin of a sentence. */
  readonly doc: string;
  /** Several URLs, separated by commas. */
  readonly many?: boolean;
  readonly port: number;
  /** For PostgreSQL: the server has a database name and an SSL mode. */
  readonly database?: boolean;
}

const SSL_MODES = ['', 'disable', 'require', 'verify-ca', 'verify-full', 'no-verify'] as const;

/** The parts are variables, too, but a service reads only the URL. */
export type ServerVariables<Prefix extends string> = { readonly [Name in `${Prefix}_URL`]: Variable<string> };

/**
 * Spread it into the variables of a service. The service reads `<prefix>_URL`, whether it was given as URL or as parts.
 */
export function serverVariables<Prefix extends string>(options: ServerOptions<Prefix>): ServerVariables<Prefix> {
  const { prefix, schemes, doc, many = false, port, database = false } = options;
  const part = (name: string): string => `${prefix}_${name}`;
  const named = (text: string): string => `${text} Instead of \`${prefix}_URL\`.`;
  const variables: Record<string, Variable<string> | Variable<number>> = {
    [part('URL')]: {
      schema: urlSetting(schemes, { many, credentials: true }),
      composed: { parts: partsOf(options), from: (env) => urlOfParts(options, env) },
      doc: `${doc}, like ${schemes[0]}://user:password@host:${port}${database ? '/huizhi' : ''}${many ? '; several servers with commas' : ''}. User and password percent-encoded. This or \`${prefix}_HOST\`.`,
      secret: true,
    },
    [part('HOST')]: {
      schema: textSetting(255, /^[^\s/@?#%,]+$/, 'a host name or address'),
      default: '',
      doc: named('Its host name or address.'),
    },
    [part('PORT')]: { schema: integerSetting(1, 65_535), default: port, doc: named('Its port.') },
    [part('USER')]: { schema: textSetting(1_000), default: '', doc: named('The user, not percent-encoded.') },
    [part('PASSWORD')]: {
      schema: textSetting(10_000),
      default: '',
      doc: named('The password, not percent-encoded.'),
      secret: true,
    },
    ...(database
      ? {
          [part('NAME')]: { schema: textSetting(63), default: 'huizhi', doc: named('The name of the database.') },
          [part('SSLMODE')]: {
            schema: choiceSetting(SSL_MODES),
            default: '',
            doc: named('`verify-full`, `verify-ca`, `require`, `no-verify` or `disable`; empty: no TLS.'),
          },
        }
      : {}),
  };
  return variables as unknown as ServerVariables<Prefix>;
}

function partsOf({ prefix, database }: ServerOptions<string>): string[] {
  return ['HOST', 'PORT', 'USER', 'PASSWORD', ...(database ? ['NAME', 'SSLMODE'] : [])].map(
    (name) => `${prefix}_${name}`,
  );
}

function urlOfParts(options: ServerOptions<string>, env: Environment): string | ConfigProblem | undefined {
  const { prefix, schemes, port, database } = options;
  const get = (name: string): string => env[`${prefix}_${name}`] ?? '';
  const given = partsOf(options).filter((name) => env[name]?.trim());
  if (given.length === 0) return undefined;
  const variable = `${prefix}_URL`;
  if (get('URL').trim() !== '') {
    return { variable, problem: `give either ${variable} or its parts, not both: ${given.join(', ')} must be unset` };
  }
  const host = get('HOST').trim();
  if (host === '') {
    return { variable: `${prefix}_HOST`, problem: `is required with ${given.join(', ')}, unless ${variable} is set` };
  }
  return serverUrlOf({
    scheme: schemes[0] ?? '',
    host,
    port: get('PORT').trim() || String(port),
    user: get('USER').trim(),
    password: get('PASSWORD'),
    ...(database && { database: get('NAME').trim() || 'huizhi', sslMode: get('SSLMODE').trim() }),
  });
}
