import { Argument, Command, InvalidArgumentError } from 'commander';
import { modes, runBench, type BenchOptions } from '../bench/run-bench.js';

/** `hz bench [mode]`: measures a system of its own. Exit code 1 when something was lost, doubled or reordered. */
export function benchCommand(): Command {
  return new Command('bench')
    .description('boot a system in a temporary folder, put load on it, print and save what was measured')
    .addArgument(new Argument('[mode]', 'what to measure').choices(Object.keys(modes)).default('throughput'))
    .option('--sessions <n>', 'sessions, an even number', count, 200)
    .option('--rate <n>', 'messages per second, all sessions together', count, 2000)
    .option('--seconds <n>', 'how long to measure', count, 20)
    .option('--warm-up <n>', 'seconds before that', count, 5)
    .option('--bytes <n>', 'of one message frame', count, 250)
    .action(async (name: string, options: BenchOptions, command: Command) => {
      const mode = modes[name];
      if (!mode || options.sessions % 2 !== 0) command.error('--sessions: must be even, sessions talk in pairs');
      const { sessions, rate, seconds, warmUp, bytes } = options;
      const said = `hz bench ${name} --sessions ${sessions} --rate ${rate} --seconds ${seconds} --warm-up ${warmUp} --bytes ${bytes}`;
      const fine = await runBench(mode, options, said, (line) => process.stdout.write(`${line}\n`));
      process.exitCode = fine ? 0 : 1;
    });
}

function count(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new InvalidArgumentError('must be a whole number above 0');
}
