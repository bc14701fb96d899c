import { Command } from 'commander';
import { commands, type CommandEntry } from './commands/table.js';

/** The whole `hz`; only the command that the arguments name is loaded, so that help and mistakes are answered at once. */
export async function hz(args: readonly string[]): Promise<Command> {
  const program = new Command('hz')
    .description('Huizhi: instant messaging in which every message is receipted both ways')
    .showHelpAfterError('Run it with --help to see what there is.');
  const named = args[0] === 'help' ? args[1] : args[0];
  for (const entry of commands) {
    const command = entry.name === named ? await entry.load() : placeholder(entry);
    command.copyInheritedSettings(program);
    for (const below of command.commands) below.copyInheritedSettings(program);
    program.addCommand(command);
  }
  return program;
}

/** What help shows of a command that is not loaded. */
const placeholder = ({ name, description, args }: CommandEntry): Command =>
  new Command(name).description(description).arguments(args);
