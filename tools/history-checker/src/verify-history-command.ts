import { Command } from 'commander';
import { checkFiles, describeVerdict } from './check-files.js';

/**
 * `npm run verify-history -- <log...>`: checks the logs of a run against the invariants. Exit code 1 when one is
 * violated.
 */
export function verifyHistoryCommand(): Command {
  return new Command('verify-history')
    .description('check the NDJSON logs that clients of a run have written')
    .argument('<log...>', 'log files; several files of one device in order')
    .action(async (files: string[], _options: unknown, command: Command) => {
      try {
        const verdict = await checkFiles(files);
        for (const line of describeVerdict(verdict)) process.stdout.write(`${line}\n`);
        process.exitCode = verdict.total === 0 ? 0 : 1;
      } catch (error) {
        command.error(error instanceof Error ? error.message : String(error));
      }
    });
}
