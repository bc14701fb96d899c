import { connect } from '@nats-io/transport-node';
import { inboxOf, serverUrlProblem } from '@huizhi/protocol';
import { randomUUID } from 'node:crypto';

const CONNECT_MS = 5_000;
/** Longer than the services themselves wait for each other. */
const ANSWER_MS = 12_000;

interface Answer<Reply> {
  err?: { code?: string; message?: string } | string;
  response?: Reply;
}

/**
 * One command of the control plane, over the bus as the services speak it among themselves.
 * @param natsUrl with credentials; several servers with commas. @throws an error that says what to do
 */
export async function controlRequest<Reply>(natsUrl: string, command: string, data: object): Promise<Reply> {
  const urls = natsUrl.split(',').map((one) => {
    const problem = serverUrlProblem(one.trim(), ['nats', 'tls'], true);
    if (problem !== undefined) throw new Error(`the URL of the bus (--nats, NATS_URL) ${problem}`);
    return new URL(one.trim());
  });
  const { username = '', password = '' } = urls[0] ?? {};
  const user = decodeURIComponent(username);
  const client = await connect({
    servers: urls.map(({ protocol, host }) => `${protocol}//${host}`),
    ...(user && { user, pass: decodeURIComponent(password) }),
    inboxPrefix: inboxOf(user),
    name: 'hz',
    timeout: CONNECT_MS,
    reconnect: false,
  }).catch((cause: unknown) => {
    // Never the URL: it may hold a password.
    throw new Error('cannot reach the bus: is the system running, and is the URL right?', { cause });
  });
  try {
    const payload = JSON.stringify({ pattern: command, data, id: randomUUID() });
    const { err, response } = (await client.request(command, payload, { timeout: ANSWER_MS })).json<Answer<Reply>>();
    if (err === undefined || err === null) return response as Reply;
    throw new Error(typeof err === 'string' ? err : (err.message ?? err.code ?? 'it was refused'));
  } finally {
    await client.close();
  }
}
