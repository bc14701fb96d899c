import {
  choiceSetting,
  commonVariables,
  defineConfig,
  durationSetting,
  integerSetting,
  textSetting,
  tokenLeeway,
  urlSetting,
  type CommonConfig,
  type ConfigProblem,
  type Variable,
} from '@huizhi/runtime';
import { MAX_LANES } from '@huizhi/protocol';
import { FORWARDING_HEADERS, isCidr } from './connection/trusted-proxies.js';

const KIB = 1024;

/** A duration of at most one day. */
const time = (byDefault: string, doc: string, atLeastMs = 1): Variable<number> => {
  const schema = durationSetting(atLeastMs, 86_400_000);
  return { schema, default: schema.parse(byDefault), defaultDoc: `\`${byDefault}\``, doc };
};
const count = (byDefault: number, min: number, max: number, doc: string): Variable<number> => ({
  schema: integerSetting(min, max),
  default: byDefault,
  doc,
});
const choice = <const Choice extends string>(
  choices: readonly Choice[],
  byDefault: NoInfer<Choice>,
  doc: string,
): Variable<Choice> => ({
  schema: choiceSetting(choices),
  default: byDefault,
  doc,
});
const text = (doc: string): Variable<string> => ({ schema: textSetting(1_000), default: '', doc });

const variables = {
  ...commonVariables('gateway'),

  HZ_GATEWAY_HOST: {
    schema: textSetting(255),
    default: '127.0.0.1',
    doc: 'The address on which the gateway listens for clients.',
  },
  HZ_GATEWAY_PORT: count(4433, 0, 65_535, 'The port on which the gateway listens for clients; 0 chooses a free one.'),
  HZ_TLS: choice(['on', 'off'], 'on', '`off` only behind a proxy that terminates TLS.'),
  HZ_TLS_CERT_FILE: text('PEM file of the certificate chain; reloaded when it changes.'),
  HZ_TLS_KEY_FILE: text('PEM file of the private key; reloaded when it changes.'),
  HZ_TLS_RELOAD: time('10s', 'Interval between checks of these two files.'),
  HZ_PROXY_PROTOCOL: choice(
    ['off', 'on'],
    'off',
    '`on`: each connection from an address in `HZ_TRUSTED_PROXIES` begins with a PROXY header, version 1 or 2, before TLS.',
  ),
  HZ_TRUSTED_PROXIES: {
    schema: textSetting(10_000),
    default: '',
    doc: 'Networks of trusted proxies, comma-separated; these send the addresses of their clients. See proxies.md.',
  },
  HZ_FORWARDING_HEADER: choice(
    FORWARDING_HEADERS,
    'x-forwarded-for',
    'The header of a WebSocket upgrade in which trusted proxies send the client address. They must set or replace it.',
  ),
  HZ_AUTH: choice(
    ['jwt', 'open'],
    'jwt',
    '`jwt` requires a token of the user; `open` accepts any user id without a token and is refused in production.',
  ),
  HZ_JWT_SECRET: {
    schema: textSetting(1_000, /^(|.{32,})$/, 'at least 32 characters'),
    default: '',
    doc: 'The key of HS256 tokens, at least 32 characters. Set this or `HZ_JWKS_URL`.',
    secret: true,
  },
  HZ_JWKS_URL: {
    schema: urlSetting(['https', 'http']),
    default: '',
    doc: 'URL of the public keys of tokens, read every ten minutes; if that fails, known keys last a day. Set this or `HZ_JWT_SECRET`.',
  },
  HZ_JWT_USER_CLAIM: {
    schema: textSetting(200, /^.+$/, 'the name of a claim'),
    default: 'sub',
    doc: 'The claim of a token that holds the user id.',
  },
  HZ_JWT_ISSUER: text('The value that `iss` of a token must have; empty: not checked.'),
  HZ_JWT_AUDIENCE: text('The value that `aud` of a token must equal or contain; empty: not checked.'),
  HZ_TOKEN_LEEWAY: tokenLeeway,
  HZ_ALLOWED_ORIGINS: {
    schema: textSetting(
      10_000,
      /^(|https?:\/\/[^\s,/*]+(:\*)?(,https?:\/\/[^\s,/*]+(:\*)?)*)$/i,
      'origins like https://chat.example or http://localhost:*, separated by commas',
    ),
    default: '',
    doc: 'Origins whose pages may open a WebSocket, comma-separated; `http://localhost:*` allows every port of that host. Empty: only pages of the same host. A request without `Origin` does not come from a browser and is allowed.',
  },
  HZ_UPGRADE_URL: text('The URL sent to clients whose version is no longer supported.'),
  HZ_MESSAGE_LANES: count(
    32,
    1,
    MAX_LANES,
    'Lanes of the message service; must equal the number stored in its database.',
  ),
  HZ_OFFLINE_LANES: count(
    16,
    1,
    MAX_LANES,
    'Inbox lanes of the offline service; must equal the number stored in its database.',
  ),

  HZ_MAX_CONNECTIONS: count(50_000, 1, 1_000_000, 'Maximum number of concurrent connections; more are refused.'),
  HZ_CONNECTIONS_PER_ADDRESS: count(
    10_000,
    1,
    1_000_000,
    'Maximum from one IPv4 address or IPv6 /64 network. Addresses of `HZ_TRUSTED_PROXIES` are exempt.',
  ),
  HZ_CONNECTS_PER_SECOND: count(
    200,
    1,
    1_000_000,
    'New connections per second from one IPv4 address or IPv6 /64 network, in bursts twenty times as many. Addresses of `HZ_TRUSTED_PROXIES` are exempt.',
  ),
  HZ_LOGIN_BYTES: count(
    16 * KIB,
    256,
    64 * KIB,
    'Maximum bytes of a connection before its login has succeeded, including the token. The headers of a WebSocket upgrade have the same limit of their own.',
  ),
  HZ_LOGIN_DEADLINE: time('10s', 'Maximum time for the PROXY header, TLS and the login frame.'),
  HZ_LOGIN_BUDGET: time('8s', 'Maximum time for the message and offline services to open a session.'),
  HZ_LOGIN_ATTEMPTS: count(
    20,
    1,
    10_000,
    'Burst of logins with a valid token, per user and client address; then one per second.',
  ),
  HZ_FAILED_LOGINS_PER_ADDRESS: count(
    1_000,
    1,
    1_000_000,
    'Burst of different bad tokens from one IPv4 address or IPv6 /64 network; then ten per second. Valid tokens are never refused for it.',
  ),
  HZ_FRAME_BYTES: count(64 * KIB, KIB, 128 * KIB, 'Maximum bytes of a frame after the login.'),
  HZ_FRAME_DEADLINE: time('10s', 'Maximum time to complete a frame that has begun.'),
  HZ_FRAMES_PER_SECOND: count(
    100,
    1,
    100_000,
    'Frames of a session per second, in bursts twice as many. Valid receipts and heartbeats are not counted.',
  ),
  HZ_QUIET_FRAMES_PER_SECOND: count(
    10_000,
    1,
    100_000,
    'Receipts and heartbeats of a session per second, in bursts twice as many.',
  ),
  HZ_BYTES_PER_SECOND: count(
    8 * KIB * KIB,
    64 * KIB,
    1024 * KIB * KIB,
    'Bytes read from a session per second, in bursts twice as many; frames of all kinds count.',
  ),
  HZ_RATE_GRACE: time(
    '10s',
    'Beyond these rates the gateway reads a session more slowly. It closes the session when frames have waited this long without a break.',
  ),
  HZ_GROUP_MEMBERS_PER_SECOND: count(
    100,
    25,
    100_000,
    'Members of the groups that a user creates, per second; in bursts twenty times as many.',
  ),
  HZ_UNANSWERED_SENDS: count(200, 1, 100_000, 'Maximum number of sends of a session without a receipt.'),
  HZ_UNANSWERED_BYTES: count(
    2 * KIB * KIB,
    128 * KIB,
    64 * KIB * KIB,
    'Maximum bytes of sends of a session without a receipt.',
  ),
  HZ_TOTAL_UNANSWERED_BYTES: count(
    256 * KIB * KIB,
    KIB * KIB,
    16 * 1024 * KIB * KIB,
    'Maximum bytes of sends without a receipt, all sessions together; more are refused as `unavailable`.',
  ),
  HZ_WRITE_BUFFER_BYTES: count(
    KIB * KIB,
    128 * KIB,
    64 * KIB * KIB,
    'Maximum bytes buffered for a connection; beyond that it is closed.',
  ),
  HZ_WRITE_STALL: time('30s', 'A connection is closed when it accepts none of its buffered bytes for this long.'),
  HZ_HEARTBEAT: time('20s', 'Interval between heartbeats; a connection that is silent for three intervals is closed.'),
  HZ_HEARTBEAT_V1: time('1s', 'The same for clients of protocol version 1.'),
  HZ_WEB_SOCKET_PING: time('25s', 'A WebSocket that has been silent for this long is pinged; `0s`: never.', 0),
  HZ_HEARTBEAT_MIN: time('5s', 'Minimum silence before a connection is closed.'),
  HZ_STALE_AFTER: time(
    '60s',
    'A gateway closes its sessions after a pause of its event loop or a loss of the bus that lasts longer.',
  ),
  HZ_WINDOW: count(500, 1, 10_000, 'Maximum number of entries delivered to a session and not receipted.'),
  HZ_BATCH_ENTRIES: count(200, 1, 5_000, 'Maximum number of entries of an offline batch.'),
  HZ_BATCH_BYTES: count(256 * KIB, KIB, 512 * KIB, 'Maximum bytes of an offline batch; less on slow links.'),
  HZ_FETCH_TIMEOUT: time('2s', 'Timeout of a request for an offline batch.'),
  HZ_REDELIVER_AFTER: time('10s', 'An entry without a receipt is delivered again this long after it can have arrived.'),
  HZ_REDELIVER_MAX: time('60s', 'Maximum of that time, which doubles with each redelivery in a row.'),
  HZ_RECEIPT_OVERDUE: time(
    '30s',
    'A session is closed when it receipts nothing for this long while its window or its limit of bytes in transit is full.',
  ),
  HZ_SEND_TIMEOUT: time(
    '30s',
    'Maximum time from the arrival of a send to its answer; then its sender gets `unknown`.',
  ),
  HZ_SEND_LINGER: time('3ms', 'Minimum time between two flushes of sends to the bus under load; none after idle time.'),
  HZ_RESEND_AFTER: time('1s', 'A batch that the message service does not answer is repeated after this time.'),
  HZ_RESEND_MAX: time('3s', 'Maximum of that time, which grows by half with each repetition.'),
  HZ_REORDER_HOLD: time('10s', 'How long a conversation accepts only its unsettled message, to keep the order.'),
  HZ_CURSOR_FLUSH: time('20ms', 'How long cursors are coalesced before they are sent.'),
  HZ_CURSOR_REPEAT: time('1s', 'A cursor that is not confirmed is sent again after this time.'),
  HZ_CONFIRM_INTERVAL: time('100ms', 'Minimum time between two `receiptConfirm` of a session.'),
  HZ_RECONCILE: time('30s', 'Interval between two comparisons of all sessions with their owners.'),
  HZ_HISTORY_TIMEOUT: time('5s', 'Timeout of a history query.'),
  HZ_DRAIN_DELAY: time(
    '0s',
    'At shutdown: how long the gateway still serves but is not ready, so that load balancers notice.',
    0,
  ),
  HZ_DRAIN_SPREAD: time('5s', 'At shutdown: each connection is closed at a random moment within this time.', 0),
  HZ_DRAIN_TIMEOUT: time(
    '5s',
    'At shutdown: how long after that moment a connection may wait for the answers to its sends.',
    0,
  ),
} satisfies Record<string, Variable<unknown>>;

export type GatewayConfig = Readonly<
  CommonConfig & {
    [Name in keyof typeof variables]: (typeof variables)[Name] extends Variable<infer Value> ? Value : never;
  }
>;

export const trustedProxiesOf = ({ HZ_TRUSTED_PROXIES }: Pick<GatewayConfig, 'HZ_TRUSTED_PROXIES'>): string[] =>
  HZ_TRUSTED_PROXIES.split(/[\s,]+/).filter((cidr) => cidr !== '');

export const gatewayConfig = defineConfig<GatewayConfig>(variables, check);

function* check(config: GatewayConfig): Iterable<ConfigProblem> {
  const { HZ_TLS, HZ_AUTH } = config;
  if (HZ_TLS === 'on') {
    if (config.HZ_TLS_CERT_FILE === '')
      yield { variable: 'HZ_TLS_CERT_FILE', problem: 'is required unless HZ_TLS=off' };
    if (config.HZ_TLS_KEY_FILE === '') yield { variable: 'HZ_TLS_KEY_FILE', problem: 'is required unless HZ_TLS=off' };
  }
  const isBad = trustedProxiesOf(config).some((cidr) => !isCidr(cidr));
  if (isBad)
    yield { variable: 'HZ_TRUSTED_PROXIES', problem: 'must be comma-separated addresses or networks like 10.0.0.0/8' };
  if (config.HZ_PROXY_PROTOCOL === 'on' && trustedProxiesOf(config).length === 0) {
    yield { variable: 'HZ_TRUSTED_PROXIES', problem: 'is required with HZ_PROXY_PROTOCOL=on' };
  }
  if (HZ_AUTH === 'open' && config.NODE_ENV === 'production') {
    yield { variable: 'HZ_AUTH', problem: 'must be jwt in production: "open" accepts any user id without a token' };
  }
  if (HZ_AUTH === 'jwt' && (config.HZ_JWT_SECRET === '') === (config.HZ_JWKS_URL === '')) {
    yield { variable: 'HZ_JWT_SECRET', problem: 'give exactly one of HZ_JWT_SECRET and HZ_JWKS_URL' };
  }
  if (config.HZ_BATCH_BYTES * 2 > config.HZ_WRITE_BUFFER_BYTES) {
    yield { variable: 'HZ_WRITE_BUFFER_BYTES', problem: 'must hold two batches of HZ_BATCH_BYTES' };
  }
}
