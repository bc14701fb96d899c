import { Argument, Command, InvalidArgumentError } from 'commander';
import { CorpusFolder, seeds } from './corpus.js';
import { fuzzCodec, type Finding } from './fuzz-codec.js';
import { fuzzGateway } from './fuzz-gateway.js';

interface FuzzOptions {
  minutes: number;
  seed: number;
}

const PROGRESS_MS = 10_000;

/**
 * `npm run fuzz -- [target]`: sends hostile input until the time is over. Exit code 1 when an invariant was violated;
 * the input is kept in `.data/fuzz`.
 */
export function fuzzCommand(): Command {
  return new Command('fuzz')
    .description('send mutated input to the codecs (in this process) or to a gateway (in a new system)')
    .addArgument(new Argument('[target]', 'what to test').choices(['codec', 'gateway']).default('codec'))
    .option('--minutes <n>', 'duration in minutes', positive, 1)
    .option('--seed <n>', 'the same seed produces the same inputs', positive, 1)
    .action(async (target: 'codec' | 'gateway', options: FuzzOptions) => {
      const findings = await (target === 'codec' ? codec(options) : gateway(options));
      for (const { input, why } of findings) {
        print(`\nFOUND ${why}\n  ${new CorpusFolder(`${target}-findings`).save(input, why)}`);
      }
      process.exitCode = findings.length > 0 ? 1 : 0;
    });
}

async function codec({ minutes, seed }: FuzzOptions): Promise<readonly Finding[]> {
  const told = progress(minutes);
  const run = fuzzCodec({
    seed,
    corpus: seeds(),
    isOver: ({ executions, corpus, answers, coverage: { ran, of }, findings }) =>
      told(
        `${executions} executions, corpus ${corpus.length}, ${answers} answers, ` +
          `${ran} of ${of} characters of code (${((ran / of) * 100).toFixed(1)} %), ${findings.length} findings`,
      ),
  });
  const folder = new CorpusFolder('corpus');
  for (const input of run.corpus) folder.save(input);
  return run.findings;
}

/** Starts with the inputs that the codec target found on this machine, if there are any. */
async function gateway({ minutes, seed }: FuzzOptions): Promise<readonly Finding[]> {
  const told = progress(minutes);
  const corpus = [...seeds(), ...new CorpusFolder('corpus').all()];
  print(`corpus: ${corpus.length} inputs`);
  const run = await fuzzGateway({
    seed,
    corpus,
    print: (line) => print(`· ${line}`),
    isOver: ({ connections, fates, speeches, receipted, residentMiB, findings }) =>
      told(
        `${connections} connections (${counts(fates)}; ${counts(speeches)}), ${receipted} good messages receipted, ` +
          `at most ${residentMiB} MiB, ${findings.length} findings`,
      ),
  });
  return run.findings;
}

const counts = (of: Readonly<Record<string, number>>): string =>
  Object.entries(of)
    .map(([name, count]) => `${count} ${name}`)
    .join(', ');

/** Prints the line every ten seconds and at the end. Returns true when the time is over. */
function progress(minutes: number): (line: string) => boolean {
  const start = performance.now();
  let next = start + PROGRESS_MS;
  return (line) => {
    const now = performance.now();
    const isOver = now - start >= minutes * 60_000;
    if (isOver || now >= next) {
      next = now + PROGRESS_MS;
      print(`${Math.round((now - start) / 1000)} s: ${line}`);
    }
    return isOver;
  };
}

const print = (line: string): void => void process.stdout.write(`${line}\n`);

function positive(text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new InvalidArgumentError('must be a number above 0');
}
