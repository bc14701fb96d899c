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

/** A duration, at most a day. */
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

  HZ_GATEWAY_HOST: { schema: textSetting(255), default: '127.0.0.1', doc: 'The address clients connect to.' },
  HZ_GATEWAY_PORT: count(4433, 0, 65_535, 'The port clients connect to; 0 takes a free one.'),
  HZ_TLS: choice(['on', 'off'], 'on', '`off` only behind something that ends TLS.'),
  HZ_TLS_CERT_FILE: text('PEM file of the certificate chain; read again when it changes.'),
  HZ_TLS_KEY_FILE: text('PEM file of the private key.'),
  HZ_TLS_RELOAD: time('10s', 'How often these two are looked at.'),
  HZ_PROXY_PROTOCOL: choice(
    ['off', 'on'],
    'off',
    '`on`: each connection from an address in `HZ_TRUSTED_PROXIES` begins with a PROXY header, version 1 or 2, before TLS.',
  ),
  HZ_TRUSTED_PROXIES: {
    schema: textSetting(10_000),
    default: '',
    doc: 'Networks of proxies that tell the addresses of their clients, separated by commas. See proxies.md.',
  },
  HZ_FORWARDING_HEADER: choice(
    FORWARDING_HEADERS,
    'x-forwarded-for',
    'The header of a WebSocket upgrade in which they do so. They must set or replace it themselves.',
  ),
  HZ_AUTH: choice(
    ['jwt', 'open'],
    'jwt',
    '`jwt` asks for a token of the user; `open` believes everybody and is refused in production.',
  ),
  HZ_JWT_SECRET: {
    schema: textSetting(1_000, /^(|.{32,})$/, 'at least 32 characters'),
    default: '',
    doc: 'The key of HS256 tokens, at least 32 characters. This or `HZ_JWKS_URL`.',
    secret: true,
  },
  HZ_JWKS_URL: {
    schema: urlSetting(['https', 'http']),
    default: '',
    doc: 'Where the public keys of tokens are, read every ten minutes; if that fails, known ones last a day. This or `HZ_JWT_SECRET`.',
  },
  HZ_JWT_USER_CLAIM: {
    schema: textSetting(200, /^.+$/, 'the name of a claim'),
    default: 'sub',
    doc: 'The claim of a token that holds the id of its user.',
  },
  HZ_JWT_ISSUER: text('Whose tokens are good: what their `iss` must be; empty: it is not looked at.'),
  HZ_JWT_AUDIENCE: text('Whom they must be for: what their `aud` must be or hold; empty: it is not looked at.'),
  HZ_TOKEN_LEEWAY: tokenLeeway,
  HZ_ALLOWED_ORIGINS: {
    schema: textSetting(
      10_000,
      /^(|https?:\/\/[^\s,/*]+(:\*)?(,https?:\/\/[^\s,/*]+(:\*)?)*)$/i,
      'origins like https://chat.example or http://localhost:*, separated by commas',
    ),
    default: '',
    doc: 'Whose pages may open a WebSocket, separated by commas; `http://localhost:*` allows every port of that host. Empty: only pages of the same host. A request without `Origin` comes from no browser and is allowed.',
  },
  HZ_UPGRADE_URL: text('Where clients that are too old are sent.'),
  HZ_MESSAGE_LANES: count(32, 1, MAX_LANES, 'Lanes of the message service; must be what its database says.'),
  HZ_OFFLINE_LANES: count(16, 1, MAX_LANES, 'Inbox lanes of the offline service; must be what its database says.'),

  HZ_MAX_CONNECTIONS: count(50_000, 1, 1_000_000, 'Connections at a time; more are refused.'),
  HZ_CONNECTIONS_PER_ADDRESS: count(
    10_000,
    1,
    1_000_000,
    'The same from one IPv4 address or IPv6 /64 network. Addresses of `HZ_TRUSTED_PROXIES` are exempt.',
  ),
  HZ_CONNECTS_PER_SECOND: count(
    200,
    1,
    1_000_000,
    'New connections from one IPv4 address or IPv6 /64 network per second; in bursts twenty times as many. The same exemption.',
  ),
  HZ_LOGIN_BYTES: count(
    16 * KIB,
    256,
    64 * KIB,
    'The most bytes of a connection before its login has succeeded, and so of a token; apart from it, of the headers of a WebSocket upgrade.',
  ),
  HZ_LOGIN_DEADLINE: time('10s', 'The time for TLS and the login frame.'),
  HZ_LOGIN_BUDGET: time('8s', 'How long the services behind may take to open a session.'),
  HZ_LOGIN_ATTEMPTS: count(
    20,
    1,
    10_000,
    'Logins of a user with a good token from one address in a row; then one a second.',
  ),
  HZ_FAILED_LOGINS_PER_ADDRESS: count(
    1_000,
    1,
    1_000_000,
    'Different bad tokens from one IPv4 address or IPv6 /64 network in a row; then ten a second. Good tokens are never refused for it.',
  ),
  HZ_FRAME_BYTES: count(64 * KIB, KIB, 128 * KIB, 'The most bytes of a frame after the login.'),
  HZ_FRAME_DEADLINE: time('10s', 'The time to finish a frame that has begun.'),
  HZ_FRAMES_PER_SECOND: count(
    100,
    1,
    100_000,
    'Frames of a session per second, in bursts twice as many; receipts and heartbeats apart, unless they are wrong.',
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
    'Bytes read of a session per second, in bursts twice as many; frames of all kinds.',
  ),
  HZ_RATE_GRACE: time(
    '10s',
    'Beyond these rates a session is read more slowly; it is closed when frames have waited for so long without a gap.',
  ),
  HZ_GROUP_MEMBERS_PER_SECOND: count(
    100,
    25,
    100_000,
    'Members of the groups that a user makes, per second; in bursts twenty times as many.',
  ),
  HZ_UNANSWERED_SENDS: count(200, 1, 100_000, 'Sends of a session that wait for their receipt.'),
  HZ_UNANSWERED_BYTES: count(2 * KIB * KIB, 128 * KIB, 64 * KIB * KIB, 'The same in bytes.'),
  HZ_TOTAL_UNANSWERED_BYTES: count(
    256 * KIB * KIB,
    KIB * KIB,
    16 * 1024 * KIB * KIB,
    'The same of all sessions together; beyond that sends are refused as `unavailable`.',
  ),
  HZ_WRITE_BUFFER_BYTES: count(
    KIB * KIB,
    128 * KIB,
    64 * KIB * KIB,
    'What may wait to be written to a connection; beyond that it is closed.',
  ),
  HZ_WRITE_STALL: time('30s', 'How long a connection may take nothing of what waits for it.'),
  HZ_HEARTBEAT: time('20s', 'Between heartbeats; after three silent ones a connection is closed.'),
  HZ_HEARTBEAT_V1: time('1s', 'The same for clients of version 1.'),
  HZ_WEB_SOCKET_PING: time('25s', 'A WebSocket that has been silent for so long is pinged; `0s`: never.', 0),
  HZ_HEARTBEAT_MIN: time('5s', 'No connection is closed for a shorter silence.'),
  HZ_STALE_AFTER: time('60s', 'A gateway away longer than this from its event loop or the bus closes its sessions.'),
  HZ_WINDOW: count(500, 1, 10_000, 'Entries delivered to a session and not receipted.'),
  HZ_BATCH_ENTRIES: count(200, 1, 5_000, 'The most entries of an offline batch.'),
  HZ_BATCH_BYTES: count(256 * KIB, KIB, 512 * KIB, 'The most bytes of an offline batch; less on slow links.'),
  HZ_FETCH_TIMEOUT: time('2s', 'How long an offline batch may take to come.'),
  HZ_REDELIVER_AFTER: time('10s', 'What is not receipted for so long after it can have arrived is delivered again.'),
  HZ_REDELIVER_MAX: time('60s', 'Each time in a row after twice as long, at most this.'),
  HZ_RECEIPT_OVERDUE: time(
    '30s',
    'A session whose window is full, or that is owed more than may be in transit, and that receipts nothing for so long is closed.',
  ),
  HZ_SEND_TIMEOUT: time(
    '30s',
    'How long a send may be unanswered, from when it came, before its sender is told `unknown`.',
  ),
  HZ_SEND_LINGER: time('3ms', 'Least time between two flushes of sends to the bus under load; after idle none.'),
  HZ_RESEND_AFTER: time('1s', 'What the message service does not answer is sent to it again.'),
  HZ_RESEND_MAX: time('3s', 'Each time after half as long again, at most this.'),
  HZ_REORDER_HOLD: time(
    '10s',
    'How long a conversation waits for an unsettled message to be sent again before it takes others.',
  ),
  HZ_CURSOR_FLUSH: time('20ms', 'How long receipts are gathered.'),
  HZ_CURSOR_REPEAT: time('1s', 'A cursor that is not confirmed is said again.'),
  HZ_CONFIRM_INTERVAL: time('100ms', 'Between two `receiptConfirm` to a session.'),
  HZ_RECONCILE: time('30s', 'Between two comparisons of all sessions with their owners.'),
  HZ_HISTORY_TIMEOUT: time('5s', 'How long a page of history may take.'),
  HZ_DRAIN_DELAY: time(
    '0s',
    'At the end: how long to go on as before, but not ready, so that those who send clients here hear of it.',
    0,
  ),
  HZ_DRAIN_SPREAD: time('5s', 'At the end: each connection is told to go at a random moment within this time.', 0),
  HZ_DRAIN_TIMEOUT: time(
    '5s',
    'At the end: how long after its moment a connection may wait for its sends to be answered.',
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
    yield { variable: 'HZ_TRUSTED_PROXIES', problem: 'must be addresses or networks like 10.0.0.0/8, with commas' };
  if (config.HZ_PROXY_PROTOCOL === 'on' && trustedProxiesOf(config).length === 0) {
    yield { variable: 'HZ_TRUSTED_PROXIES', problem: 'is required with HZ_PROXY_PROTOCOL=on' };
  }
  if (HZ_AUTH === 'open' && config.NODE_ENV === 'production') {
    yield { variable: 'HZ_AUTH', problem: 'must be jwt in production: "open" lets everybody be anybody' };
  }
  if (HZ_AUTH === 'jwt' && (config.HZ_JWT_SECRET === '') === (config.HZ_JWKS_URL === '')) {
    yield { variable: 'HZ_JWT_SECRET', problem: 'give exactly one of HZ_JWT_SECRET and HZ_JWKS_URL' };
  }
  if (config.HZ_BATCH_BYTES * 2 > config.HZ_WRITE_BUFFER_BYTES) {
    yield { variable: 'HZ_WRITE_BUFFER_BYTES', problem: 'must hold two batches of HZ_BATCH_BYTES' };
  }
}
