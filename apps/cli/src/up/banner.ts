import { projectRoot, type DevEnv, type Part } from '@huizhi/dev-env';
import { join } from 'node:path';

export const SAMPLE_USERS = ['alice', 'bob'];
const TOKEN_LIFE = '7d';

/** Text for developers after the start: addresses, sample users and next steps. */
export async function banner(running: DevEnv): Promise<string> {
  const { host, port, ca } = running.address;
  const certificate = running.certificateFile;
  const tls = ca !== '' && certificate !== undefined;
  const users = await Promise.all(
    SAMPLE_USERS.map(async (user) => ({ user, token: await running.token(user, { expiresIn: TOKEN_LIFE }) })),
  );
  const first = users[0];
  const login = {
    messageType: 'login',
    fromUserID: first?.user,
    versionCode: 2,
    deviceID: 'terminal',
    token: first?.token,
  };
  const dataOption = running.dataDir === join(projectRoot(), '.data') ? '' : ` --data ${running.dataDir}`;
  const hostOption = host === '127.0.0.1' ? '' : ` --host ${host}`;
  const connect = tls
    ? `openssl s_client -quiet -connect ${host}:${port} -CAfile ${certificate}`
    : `nc ${host} ${port}`;
  return [
    '',
    `Huizhi is up${tls ? '' : ' (without TLS)'}. Ctrl-C stops it.`,
    '',
    `  gateway      ${host}:${port}`,
    ...(tls ? [`  certificate  ${certificate}`] : []),
    `  data         ${running.dataDir}`,
    ...processes(running.parts),
    '',
    `Sample users (tokens are valid for ${TOKEN_LIFE}):`,
    ...users.map(({ user, token }) => `  ${user}  ${token}`),
    '',
    'Try, in two other terminals:',
    ...SAMPLE_USERS.map(
      (user, i) => `  npx hz chat ${user}${dataOption}${hostOption}   then type  /to ${SAMPLE_USERS[1 - i]}`,
    ),
    'or by hand:',
    `  ${connect}`,
    '  and paste, as one line:',
    `  ${JSON.stringify(login)}`,
    '',
    ...invitation(running.parts),
    'Next: docs/protocol.md specifies the frames; `npm test` runs the tests, `npm run bench` the benchmark.',
    '',
  ].join('\n');
}

function processes(parts: readonly Part[]): string[] {
  const width = Math.max(...parts.map(({ label }) => label.length));
  return parts.map(({ label, pid = '-', baseUrl }, i) => {
    const health = baseUrl === undefined ? '' : `  ${baseUrl}/readyz`;
    return `  ${(i === 0 ? 'processes' : '').padEnd(11)}  ${label.padEnd(width)}  pid ${String(pid).padEnd(7)}${health}`.trimEnd();
  });
}

/** One process of each kind: the message service, a gateway and the database. */
const WORTH_KILLING = ['message-1', 'gateway-1', 'postgres'];

function invitation(parts: readonly Part[]): string[] {
  const shown = parts.filter(({ label, pid }) => WORTH_KILLING.includes(label) && pid !== undefined);
  if (shown.length === 0) return [];
  return [
    'Kill any of these processes during the chat. It is restarted; no message is lost, duplicated or reordered:',
    ...shown.map(({ label, pid }) => `  kill -9 ${String(pid).padEnd(7)}  # ${label}`),
    '',
  ];
}
