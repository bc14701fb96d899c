import { projectRoot } from '@huizhi/dev-env';
import { Command, Option } from 'commander';
import { join } from 'node:path';
import { busFromEnvironment } from '../bus.config.js';
import { busOf } from '../target.js';
import { userID } from '../user-id.js';

interface RevokeOptions {
  data: string;
  nats?: string;
  natsCreds?: string;
  natsNkey?: string;
}

/** `hz revoke <user>`: revokes all tokens of the user and ends all sessions. */
export function revokeCommand(): Command {
  return new Command('revoke')
    .description('revoke all tokens of a user and end all sessions')
    .argument('<user>', 'id of the user', userID)
    .option('--data <folder>', 'data folder of a local `hz up`', join(projectRoot(), '.data'))
    .option(
      '--nats <url>',
      'URL of the bus of another system, with credentials (default: HZ_NATS_URL, or HZ_NATS_HOST, HZ_NATS_USER …)',
    )
    .addOption(new Option('--nats-creds <file>', 'credentials file for the bus').env('HZ_NATS_CREDS_FILE'))
    .addOption(new Option('--nats-nkey <file>', 'file with the seed of an NKey for the bus').env('HZ_NATS_NKEY_FILE'))
    .action(async (user: string, options: RevokeOptions, command: Command) => {
      try {
        // Loaded on demand: the runtime loads slowly, and no other command uses it.
        const { controlRequest } = await import('../control.js');
        const { natsCreds: credsFile, natsNkey: nkeyFile } = options;
        const nats = options.nats ?? busFromEnvironment();
        const url = busOf({ ...options, ...(nats === undefined ? {} : { nats }) });
        const reply = await controlRequest({ url, credsFile, nkeyFile }, 'revokeTokens', { user });
        const from = new Date(reply.tokensValidFrom * 1_000).toISOString();
        const good = `tokens issued from ${from} (iat ${reply.tokensValidFrom}) on are good`;
        process.stdout.write(`${user}: ${reply.sessions} sessions ended; ${good}\n`);
      } catch (error) {
        command.error(error instanceof Error ? error.message : String(error));
      }
    });
}
