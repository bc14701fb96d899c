import { Command } from 'commander';
import { commands, type CommandEntry } from './commands/table.js';

const AFTER_ERROR = 'Run it with --help to see what there is.';

/** The whole `hz`; only the command that the arguments name is loaded, so that help and mistakes are answered at once. */
export async function hz(args: readonly string[]): Promise<Command> {
  const program = new Command('hz').description(
    'Huizhi: instant messaging in which every message is receipted both ways',
  );
  const named = args[0] === 'help' ? args[1] : args[0];
  for (const entry of commands) program.addCommand(entry.name === named ? await entry.load() : placeholder(entry));
  pointToHelp(program);
  return program;
}

function pointToHelp(command: Command): void {
  command.showHelpAfterError(AFTER_ERROR);
  for (const below of command.commands) pointToHelp(below);
}

/** What help shows of a command that is not loaded. */
const placeholder = ({ name, description, args }: CommandEntry): Command =>
  new Command(name).description(description).arguments(args);
