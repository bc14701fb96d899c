import { serverUrlProblem, type CommandName, type ControlCommands } from '@huizhi/protocol';
import { Bus, ControlClient, credentialsProblems, silentLogger, type BusCredentials } from '@huizhi/runtime';
import { randomUUID } from 'node:crypto';

const CONNECT_MS = 5_000;
/** In ms; longer than the services wait for each other. */
const ANSWER_MS = 12_000;

/**
 * Sends one command of the control plane, like the services do.
 * @param credentials of the bus user `admin`, or of a user with the same permissions
 * @throws an error with the fix
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
      // The message never contains the URL, which may hold a password.
      throw new Error(
        `cannot reach the bus (${bus.problem}): check that the system is running and that the URL is correct (--nats)`,
        {
          cause,
        },
      );
    });
    return await new ControlClient(bus).request(command, data, { timeoutMs: ANSWER_MS, attempts: 1 });
  } finally {
    await bus.drain();
  }
}
