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

/** `hz up`: runs the whole system on this machine. Exit code 0 after Ctrl-C, or after `--demo` when no step failed. */
export function upCommand(): Command {
  return new Command('up')
    .description('start the whole system on this machine, run the demonstration, and stay until Ctrl-C')
    .option('--data <folder>', 'folder of data, certificate, secrets and logs', join(projectRoot(), '.data'))
    .option('--demo', 'stop after the demonstration', false)
    .action(async (options: UpOptions) => {
      process.exitCode = await up(options, print);
    });
}

async function up(options: UpOptions, say: (line: string) => void): Promise<number> {
  const stop = stopSignal(
    () => say('Stopping … (press Ctrl-C again to kill all processes)'),
    // The reaper kills the processes. PostgreSQL recovers at the next start, which also takes over the lock.
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
      // With `--demo` a crash must fail the run, so processes are not restarted.
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

/**
 * Runs the demonstration, then (without `--demo`) waits for a signal. With `--demo` a process that ends fails the run.
 */
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
  say('==> everything is ready; the demonstration:\n');
  const open = running.gateway().env['HZ_AUTH'] === 'open';
  const demo = runDemo({ ...running.address, open, token: (userID) => running.token(userID) }, say);
  // After the race below is decided, a failure of the demonstration is only its consequence.
  demo.catch(() => undefined);
  const outcome = await Promise.race([demo, dead, asked]);
  if (outcome === 'asked') return options.demo ? 130 : 0;
  if (outcome === 'dead') return 1;
  if (options.demo) return outcome.failed === 0 ? 0 : 1;
  // May fail if a process is killed meanwhile; then the users log in for the first time with `hz chat`.
  await introduce(running, SAMPLE_USERS).catch((error: unknown) => say(`\n${messages(error)}`));
  say(await banner(running));
  return (await Promise.race([dead, asked])) === 'asked' ? 0 : 1;
}

/** Logs each user in once. Users exist from their first login on, and the banner suggests writing to these. */
async function introduce(running: DevEnv, users: readonly string[]): Promise<void> {
  for (const user of users) {
    const { address } = running;
    const client = new HuizhiClient({ address, user, deviceID: 'terminal', token: () => running.token(user) });
    await client.connect().finally(() => client.close());
  }
}

/** An error with its causes, one per line, because the reason is often in the cause. */
function messages(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messages).join('\n');
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}\n  because: ${messages(error.cause)}`;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
