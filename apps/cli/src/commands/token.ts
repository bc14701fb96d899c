import { projectRoot, signToken } from '@huizhi/dev-env';
import { Command } from 'commander';
import { decodeJwt } from 'jose';
import { join } from 'node:path';
import { secretFrom } from '../target.js';
import { userID } from '../user-id.js';

interface TokenOptions {
  data: string;
  tokenSecretFile?: string;
  expires: string;
}

/** `hz token <user>`: prints a token for a local system on one line. */
export function tokenCommand(): Command {
  return new Command('token')
    .description('print an HS256 token for a user')
    .argument('<user>', 'id of the user', userID)
    .option('--data <folder>', 'data folder of a local `hz up`', join(projectRoot(), '.data'))
    .option('--token-secret-file <file>', 'file with the secret (default: of the local system)')
    .option('--expires <duration>', 'validity, like "2h" or "7d"', '7d')
    .action(async (user: string, options: TokenOptions, command: Command) => {
      try {
        process.stdout.write(`${await usableToken(secretFrom(options), user, options.expires)}\n`);
      } catch (error) {
        command.error(error instanceof Error ? error.message : String(error));
      }
    });
}

const MAX_LIFE_S = 100 * 31_557_600;

/** @throws Error when the gateway would refuse the token because of its validity */
async function usableToken(secret: string, user: string, expires: string): Promise<string> {
  let token: string;
  try {
    token = await signToken(secret, user, expires);
  } catch (cause) {
    throw new Error(`--expires ${expires}: must be a duration like "2h" or "7d"`, { cause });
  }
  const { exp = 0, iat = 0 } = decodeJwt(token);
  if (exp > iat && exp - iat < MAX_LIFE_S) return token;
  throw new Error(`--expires ${expires}: must be in the future, and less than 100 years away`);
}
