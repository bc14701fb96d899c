import { Command } from 'commander';
import { checkFiles, describeVerdict } from './check-files.js';

/** `npm run verify-history -- <log...>`: checks the logs of a run against the promises. Exit code 1 when one was broken. */
export function verifyHistoryCommand(): Command {
  return new Command('verify-history')
    .description('check the NDJSON logs that the observers of a run wrote')
    .argument('<log...>', 'files; those of one device in their order')
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
