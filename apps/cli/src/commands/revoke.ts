import { projectRoot } from '@huizhi/constellation';
import { Command, Option } from 'commander';
import { join } from 'node:path';
import { busFromEnvironment } from '../bus.config.js';
import { controlRequest } from '../control.js';
import { busOf } from '../target.js';

interface RevokeOptions {
  data: string;
  nats?: string;
  natsCreds?: string;
  natsNkey?: string;
}

/** `hz revoke <user>`: what was issued to the user until now is worth nothing any more, and its sessions end. */
export function revokeCommand(): Command {
  return new Command('revoke')
    .description('revoke all tokens of a user that were issued until now, and end its sessions everywhere')
    .argument('<user>', 'whose tokens')
    .option('--data <folder>', 'data folder of a local `hz up`', join(projectRoot(), '.data'))
    .option(
      '--nats <url>',
      'the bus, with credentials, of another system (default: NATS_URL, or NATS_HOST, NATS_USER …)',
    )
    .addOption(new Option('--nats-creds <file>', 'credentials file for it').env('NATS_CREDS_FILE'))
    .addOption(new Option('--nats-nkey <file>', 'file with the seed of an NKey for it').env('NATS_NKEY_FILE'))
    .action(async (user: string, options: RevokeOptions, command: Command) => {
      try {
        const { natsCreds: credsFile, natsNkey: nkeyFile } = options;
        const nats = options.nats ?? busFromEnvironment();
        const url = busOf({ ...options, ...(nats === undefined ? {} : { nats }) });
        const reply = await controlRequest({ url, credsFile, nkeyFile }, 'revokeTokens', { user });
        const from = new Date(reply.tokensValidFrom * 1_000).toISOString();
        process.stdout.write(`${user}: ${reply.sessions} sessions ended; tokens issued from ${from} on are good\n`);
      } catch (error) {
        command.error(error instanceof Error ? error.message : String(error));
      }
    });
}
