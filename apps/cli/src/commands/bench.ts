import { Argument, Command, InvalidArgumentError } from 'commander';
import type { BenchOptions } from '../bench/options.js';
import { modes, runBench } from '../bench/run-bench.js';

/** `hz bench [mode]`: measures a system of its own. Exit code 1 when something was lost, doubled or reordered. */
export function benchCommand(): Command {
  return new Command('bench')
    .description('boot a system in a temporary folder, put load on it, print and save what was measured')
    .addArgument(new Argument('[mode]', 'what to measure').choices(Object.keys(modes)).default('throughput'))
    .option('--sessions <n>', 'sessions, or users', count)
    .option('--rate <n>', 'messages per second, all sessions together', count)
    .option('--seconds <n>', 'how long to measure', count)
    .option('--warm-up <n>', 'seconds before that', count)
    .option('--bytes <n>', 'of one message frame', count)
    .option('--messages <n>', 'messages in all', count)
    .addHelpText('after', help)
    .action(async (mode: string, given: Partial<BenchOptions>, command: Command) => {
      try {
        const fine = await runBench(mode, given, (line) => process.stdout.write(`${line}\n`));
        process.exitCode = fine ? 0 : 1;
      } catch (error) {
        command.error(error instanceof Error ? error.message : String(error), { exitCode: 2 });
      }
    });
}

function help(): string {
  const lines = Object.entries(modes).map(([name, { description, defaults }]) => {
    const values = Object.entries(defaults).map(([option, value]) => `${option} ${value}`);
    return `  ${name.padEnd(11)} ${description}\n${''.padEnd(14)}default: ${values.join(', ')}`;
  });
  return ['\nModes:', ...lines].join('\n');
}

function count(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new InvalidArgumentError('must be a whole number above 0');
}
