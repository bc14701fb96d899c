// Runs programs for the other scripts. Uses only Node's own modules, because no package may be installed yet.
import { spawn } from 'node:child_process';
import { join } from 'node:path';

export const root = join(import.meta.dirname, '..');

/** An error whose message is sufficient for the user: printed without a stack. */
export class UserError extends Error {
  name = 'UserError';
}

/** Runs a program with inherited output and resolves to its exit code. Forwards SIGINT and SIGTERM. */
export async function run(command, args, { env = process.env, quiet = false } = {}) {
  const child = spawn(command, args, { cwd: root, env, stdio: quiet ? ['ignore', 'pipe', 'pipe'] : 'inherit' });
  const kept = [];
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => kept.push(chunk));
  // A terminal sends Ctrl-C to both processes. The child decides when to end; this process ends after it.
  const forward = { SIGINT: () => child.kill('SIGINT'), SIGTERM: () => child.kill('SIGTERM') };
  for (const [signal, handler] of Object.entries(forward)) process.on(signal, handler);
  try {
    const code = await new Promise((resolve, reject) => {
      child.once('error', (error) => reject(new UserError(`cannot run ${command}: ${error.message}`)));
      child.once('close', (exitCode, signal) => resolve(exitCode ?? (signal === 'SIGINT' ? 130 : 143)));
    });
    return { code, output: Buffer.concat(kept).toString() };
  } finally {
    for (const [signal, handler] of Object.entries(forward)) process.off(signal, handler);
  }
}

/** Runs a long step and prints its start and duration. Throws UserError with `fix` when it fails. */
export async function step(what, command, args, { fix, env } = {}) {
  const start = Date.now();
  console.log(`==> ${what} …`);
  const ticker = setInterval(() => console.log(`    still ${what} (${seconds(start)})`), 15_000);
  try {
    const { code, output } = await run(command, args, { env, quiet: true });
    if (code !== 0) {
      process.stderr.write(output);
      throw new UserError(`${what} failed (exit code ${code}). ${fix}`);
    }
  } finally {
    clearInterval(ticker);
  }
  console.log(`    done in ${seconds(start)}`);
}

/** Sets the exit code from the result of `main`. A UserError is printed and gives 1. */
export async function cli(main) {
  try {
    process.exitCode = (await main()) ?? 0;
  } catch (error) {
    console.error(error instanceof UserError ? `\n${error.message}` : error);
    process.exitCode = 1;
  }
}

function seconds(start) {
  return `${((Date.now() - start) / 1000).toFixed(1)} s`;
}
