import { projectRoot, signToken } from '@huizhi/constellation';
import { Command } from 'commander';
import { join } from 'node:path';
import { secretFrom } from '../target.js';

interface TokenOptions {
  data: string;
  tokenSecretFile?: string;
  expires: string;
}

/** `hz token <user>`: a token for a local system, printed alone on a line. */
export function tokenCommand(): Command {
  return new Command('token')
    .description('print an HS256 token for a user')
    .argument('<user>', 'the user the token is for')
    .option('--data <folder>', 'data folder of a local `hz up`', join(projectRoot(), '.data'))
    .option('--token-secret-file <file>', 'file with the secret instead')
    .option('--expires <duration>', 'for how long it is good, as "2h" or "7d"', '7d')
    .action(async (user: string, options: TokenOptions, command: Command) => {
      try {
        process.stdout.write(`${await signToken(secretFrom(options), user, options.expires)}\n`);
      } catch (error) {
        command.error(error instanceof Error ? error.message : String(error));
      }
    });
}
