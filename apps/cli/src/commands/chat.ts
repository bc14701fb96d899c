import { Command } from 'commander';
import { stdin, stdout } from 'node:process';
import { createInterface } from 'node:readline';
import { ChatLine } from '../chat/chat-line.js';
import { targetFrom, withTarget, type TargetOptions } from '../target.js';

/** `hz chat <user>`: a small line client. Ends with /quit or the end of input. */
export function chatCommand(): Command {
  return withTarget(new Command('chat'))
    .description('chat as a user: /to <user> or /group <id> chooses whom, any other line is sent')
    .argument('<user>', 'who to be')
    .option('--device <id>', 'which device to be', 'terminal')
    .action(async (user: string, options: TargetOptions & { device: string }, command: Command) => {
      const say = (line: string): void => void stdout.write(`${line}\n`);
      try {
        const chat = new ChatLine(targetFrom(options), user, options.device, say);
        await chat.start();
        const lines = createInterface({ input: stdin });
        for await (const line of lines) {
          if (!(await chat.take(line))) break;
        }
        lines.close();
        await chat.stop();
      } catch (error) {
        command.error(error instanceof Error ? error.message : String(error));
      }
    });
}
