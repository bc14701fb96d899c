import { Command } from 'commander';
import { commands, type CommandEntry } from './commands/table.js';

const AFTER_ERROR = 'Run it with --help for usage.';

/** The program `hz`. Only the command named in the arguments is loaded, so that help and errors appear at once. */
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

/** A command that is not loaded, as help shows it. */
const placeholder = ({ name, description, args }: CommandEntry): Command =>
  new Command(name).description(description).arguments(args);
