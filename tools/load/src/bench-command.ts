import { Command, InvalidArgumentError } from 'commander';
import { chosen, printComparison } from './compare.js';
import { gate, renewReference } from './regression.js';
import { modes } from './modes.js';
import type { Mode } from './mode.js';
import type { BenchOptions } from './options.js';
import { runBench } from './run-bench.js';

const meanings: Readonly<Record<keyof BenchOptions, string>> = {
  sessions: 'number of connections, or of users in modes that connect them in turn',
  members: 'group members, sender included',
  rate: 'messages per second of all sessions together',
  warmUp: 'seconds of warm-up before the measurement',
  seconds: 'seconds of measurement',
  bytes: 'bytes per message frame',
  messages: 'messages in total',
  minutes: 'minutes of measurement; the first third is the warm-up',
};

/**
 * `npm run bench -- [mode]`: measures a newly started system. Exit code 1 when a message was lost, duplicated or
 * reordered, or when a comparison failed; 2 when the measurement was not possible.
 */
export function benchCommand(): Command {
  const bench = new Command('bench')
    .description('start a system in a temporary folder, put load on it, print and save the results')
    .usage('[mode] [options]')
    .addHelpText(
      'after',
      '\n`npm run bench -- <mode> --help` lists the options of a mode. Results are kept in bench/results.',
    );
  for (const [name, mode] of Object.entries(modes)) {
    bench.addCommand(modeCommand(name, mode), { isDefault: name === 'throughput' });
  }
  return bench.addCommand(compareCommand()).addCommand(gateCommand());
}

function modeCommand(name: string, mode: Mode): Command {
  const command = new Command(name).description(mode.description).usage('[options]').allowExcessArguments();
  for (const [option, value] of Object.entries(mode.defaults)) {
    const meaning = meanings[option as keyof BenchOptions];
    command.option(`--${flagOf(option)} <n>`, `${meaning} (default: ${value})`, count);
  }
  return command
    .option('--repeat <n>', 'number of runs, each on a new system; prints medians', count, 1)
    .action(({ repeat, ...given }: Partial<BenchOptions> & { repeat: number }) => {
      const [unknown] = command.args;
      if (unknown !== undefined)
        command.error(`error: ${unknown} is not a mode; use one of: ${Object.keys(modes).join(', ')}`);
      return ending(command, () => runBench(name, given, repeat, print));
    });
}

function compareCommand(): Command {
  const command = new Command('compare')
    .description('compare two saved results; by default the two newest of the newest mode')
    .argument('[before]', 'a path, or a file name in bench/results')
    .argument('[after]', 'the same; by default the newest of that mode')
    .option('--gate', 'exit code 1 when a service uses more than --limit times the earlier CPU')
    .option('--limit <times>', 'the factor that --gate allows', times, 1.25)
    .action((before: string | undefined, after: string | undefined, options: { gate?: boolean; limit: number }) =>
      ending(command, () => printComparison(...chosen(before, after), options.limit, print) || !options.gate),
    );
  return command;
}

function gateCommand(): Command {
  const command = new Command('gate')
    .description('compare three short runs with bench/reference.json; exit code 1 when a service uses too much CPU')
    .option(
      '--limit <times>',
      'allowed factor over the CPU of the reference; at least 2 on another kind of machine',
      times,
      1.25,
    )
    .option('--renew', 'save this measurement as the reference')
    .action(({ limit, renew }: { limit: number; renew?: boolean }) =>
      ending(command, () => (renew ? renewReference(print) : gate(limit, print))),
    );
  return command;
}

/** Sets the command's exit code: 0 when `work` returns true, otherwise 1; 2 with the message when it throws. */
async function ending(command: Command, work: () => boolean | Promise<boolean>): Promise<void> {
  try {
    process.exitCode = (await work()) ? 0 : 1;
  } catch (error) {
    command.error(`bench: ${error instanceof Error ? error.message : String(error)}`, { exitCode: 2 });
  }
}

const print = (line: string): void => void process.stdout.write(`${line}\n`);

const flagOf = (option: string): string => option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

function count(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new InvalidArgumentError('must be a whole number above 0');
}

function times(text: string): number {
  const value = Number(text);
  if (value >= 1 && value <= 100) return value;
  throw new InvalidArgumentError('must be a number from 1 to 100');
}
