import { HuizhiClient } from '@huizhi/client';
import { DevEnv, DataFolderInUseError, projectRoot } from '@huizhi/dev-env';
import { Command } from 'commander';
import { join } from 'node:path';
import { runDemo } from '../demo/run-demo.js';
import { banner, SAMPLE_USERS } from '../up/banner.js';
import { environmentOf } from '../up/environment.config.js';
import { serviceConfigs } from '../up/service-configs.js';
import { settingsFrom, SettingsError } from '../up/settings.config.js';
import { stopSignal } from '../up/stop-signal.js';

const SERVICES = ['gateway', 'message', 'offline', 'media', 'push'] as const;

interface UpOptions {
  data: string;
  demo: boolean;
}

/** `hz up`: the whole system on this machine. Exit code 0 after Ctrl-C, or after `--demo` without a failed step. */
export function upCommand(): Command {
  return new Command('up')
    .description('start everything on this machine, show a conversation, and stay until Ctrl-C')
    .option('--data <folder>', 'where data, certificate, secrets and logs are kept', join(projectRoot(), '.data'))
    .option('--demo', 'stop after the conversation', false)
    .action(async (options: UpOptions) => {
      process.exitCode = await up(options, print);
    });
}

async function up(options: UpOptions, say: (line: string) => void): Promise<number> {
  const stop = stopSignal(
    () => say('Stopping … (Ctrl-C again ends everything at once)'),
    // The reaper ends the processes; PostgreSQL recovers at the next start, the lock is taken over.
    () => process.exit(130),
  );
  const started = performance.now();
  let running: DevEnv;
  try {
    const { options: settings, notes } = settingsFrom(environmentOf(), await serviceConfigs(SERVICES));
    for (const note of notes) say(`==> ${note}`);
    running = await DevEnv.start({
      ...settings,
      dataDir: options.data,
      instances: Object.fromEntries(SERVICES.map((name) => [name, 1])),
      signal: stop.signal,
      // The demonstration is to show a failure, not to get over it.
      ...(options.demo ? {} : { supervise: say }),
      print: (line) => say(`==> ${line} (${((performance.now() - started) / 1000).toFixed(1)} s)`),
    });
  } catch (error) {
    stop.dispose();
    if (stop.signal.aborted) {
      say('Stopped.');
      return options.demo ? 130 : 0;
    }
    if (error instanceof SettingsError) {
      say(error.message);
      return 1;
    }
    say(
      error instanceof DataFolderInUseError ? `\nHuizhi is running already: ${error.message}.` : `\n${messages(error)}`,
    );
    return 1;
  }
  let code = await whileUp(running, options, stop.signal, say).catch((error: unknown) => {
    say(`\n${messages(error)}`);
    return 1;
  });
  await running.stop().catch((error: unknown) => {
    say(`\n${messages(error)}`);
    code = 1;
  });
  stop.dispose();
  say('Stopped.');
  return code;
}

/** The conversation, then (without `--demo`) until a signal. With `--demo` a process that ends fails it. */
async function whileUp(
  running: DevEnv,
  options: UpOptions,
  signal: AbortSignal,
  say: (line: string) => void,
): Promise<number> {
  const dead = new Promise<'dead'>((resolve) => {
    running.onCrash((_name, report) => {
      say(`\n${report}\n`);
      resolve('dead');
    });
  });
  const asked = new Promise<'asked'>((resolve) => {
    if (signal.aborted) resolve('asked');
    signal.addEventListener('abort', () => resolve('asked'), { once: true });
  });
  say('==> everything is ready; a conversation:\n');
  const open = running.gateway().env['HZ_AUTH'] === 'open';
  const demo = runDemo({ ...running.address, open, token: (userID) => running.token(userID) }, say);
  // When the race below is decided without it, its failure is only the echo of that.
  demo.catch(() => undefined);
  const outcome = await Promise.race([demo, dead, asked]);
  if (outcome === 'asked') return options.demo ? 130 : 0;
  if (outcome === 'dead') return 1;
  if (options.demo) return outcome.failed === 0 ? 0 : 1;
  // A process may be killed at this moment; then they log in for the first time with `hz chat`.
  await introduce(running, SAMPLE_USERS).catch((error: unknown) => say(`\n${messages(error)}`));
  say(await banner(running));
  return (await Promise.race([dead, asked])) === 'asked' ? 0 : 1;
}

/** Users exist from their first login on; the banner invites to write to these before anybody has logged in as them. */
async function introduce(running: DevEnv, users: readonly string[]): Promise<void> {
  for (const user of users) {
    const { address } = running;
    const client = new HuizhiClient({ address, user, deviceID: 'terminal', token: () => running.token(user) });
    await client.connect().finally(() => client.close());
  }
}

/** An error with its causes, one a line: the reason is often in the cause. */
function messages(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messages).join('\n');
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}\n  because: ${messages(error.cause)}`;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
