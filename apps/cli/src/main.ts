#!/usr/bin/env node
import { Command } from 'commander';
import { benchCommand } from './commands/bench.js';
import { chatCommand } from './commands/chat.js';
import { checkCommand } from './commands/check.js';
import { demoCommand } from './commands/demo.js';
import { fuzzCommand } from './commands/fuzz.js';
import { revokeCommand } from './commands/revoke.js';
import { tokenCommand } from './commands/token.js';
import { upCommand } from './commands/up.js';

const program = new Command('hz').description(
  'Huizhi: instant messaging in which every message is receipted both ways',
);
const commands = [
  ...[upCommand, demoCommand, chatCommand, tokenCommand, revokeCommand],
  ...[benchCommand, checkCommand, fuzzCommand],
];
for (const command of commands) {
  program.addCommand(command());
}
await program.parseAsync();
