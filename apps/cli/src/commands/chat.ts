import { Command } from 'commander';
import { runChat } from '../chat/run-chat.js';
import { explain } from '../explain.js';
import { targetFrom, withTarget, type TargetOptions } from '../target.js';

interface ChatCommandOptions extends TargetOptions {
  device: string;
  to?: string;
}

/** `hz chat <user>`: a small client for the terminal. Ends with /quit, Ctrl-C, Ctrl-D or the end of input. */
export function chatCommand(): Command {
  return withTarget(new Command('chat'))
    .description('chat as a user in the terminal; /help there lists what can be done')
    .argument('<user>', 'who to be')
    .option('--device <id>', 'which device to be', 'terminal')
    .option('--to <user>', 'whom to write to from the beginning')
    .action(async (user: string, { device, to, ...options }: ChatCommandOptions, command: Command) => {
      try {
        const { inHaste } = await runChat({ server: targetFrom(options), user, deviceID: device }, to);
        // The connection is still being closed.
        if (inHaste) process.exit();
      } catch (error) {
        command.error(explain(error));
      }
    });
}
