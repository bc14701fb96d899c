import { Command } from 'commander';
import { runChat } from '../chat/run-chat.js';
import { explain } from '../explain.js';
import { targetFrom, withTarget, type TargetOptions } from '../target.js';

interface ChatCommandOptions extends TargetOptions {
  device: string;
  to?: string;
}

/** `hz chat <user>`: a client for the terminal. Ends at /quit, Ctrl-C, Ctrl-D or the end of input. */
export function chatCommand(): Command {
  return withTarget(new Command('chat'))
    .description('chat as a user in the terminal; /help lists its commands')
    .argument('<user>', 'id of the user')
    .option('--device <id>', 'id of the device', 'terminal')
    .option('--to <user>', 'recipient of the first conversation')
    .action(async (user: string, { device, to, ...options }: ChatCommandOptions, command: Command) => {
      try {
        const { inHaste } = await runChat({ server: targetFrom(options), user, deviceID: device }, to);
        // The user does not wait for the connection to close.
        if (inHaste) process.exit();
      } catch (error) {
        command.error(explain(error));
      }
    });
}
