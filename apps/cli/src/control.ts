import { serverUrlProblem, type CommandName, type ControlCommands } from '@huizhi/protocol';
import { Bus, ControlClient, credentialsProblems, silentLogger, type BusCredentials } from '@huizhi/runtime';
import { randomUUID } from 'node:crypto';

const CONNECT_MS = 5_000;
/** Longer than the services themselves wait for each other. */
const ANSWER_MS = 12_000;

/**
 * One command of the control plane, asked as the services ask each other.
 * @param credentials of the user `admin`, or of one that may do the same. @throws an error that says what to do
 */
export async function controlRequest<Name extends CommandName>(
  credentials: BusCredentials,
  command: Name,
  data: ControlCommands[Name]['request'],
): Promise<ControlCommands[Name]['reply']> {
  for (const one of credentials.url.split(',')) {
    const problem = serverUrlProblem(one.trim(), ['nats', 'tls'], true);
    if (problem !== undefined) throw new Error(`the URL of the bus (--nats, HZ_NATS_URL) ${problem}`);
  }
  const [wrong] = credentialsProblems(credentials);
  if (wrong) throw new Error(`${wrong.variable}: ${wrong.problem}`);
  const bus = Bus.connect({ service: 'admin', ...credentials, name: `hz-${randomUUID()}`, log: silentLogger });
  try {
    await bus.ready(CONNECT_MS).catch((cause: unknown) => {
      // Never the URL: it may hold a password.
      throw new Error(`cannot reach the bus (${bus.problem}): is the system running, and is the URL right (--nats)?`, {
        cause,
      });
    });
    return await new ControlClient(bus).request(command, data, { timeoutMs: ANSWER_MS, attempts: 1 });
  } finally {
    await bus.drain();
  }
}
