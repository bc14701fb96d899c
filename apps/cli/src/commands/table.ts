import type { Command } from 'commander';

/** A command as `hz --help` lists it, and its loader. A test compares the entry with the command. */
export interface CommandEntry {
  name: string;
  description: string;
  /** Arguments in commander's notation: `<user>`, `[mode]`. */
  args: string;
  load(): Promise<Command>;
}

export const commands: readonly CommandEntry[] = [
  {
    name: 'up',
    description: 'start the whole system on this machine, run the demonstration, and stay until Ctrl-C',
    args: '',
    load: async () => (await import('./up.js')).upCommand(),
  },
  {
    name: 'demo',
    description: 'run the demonstration against a running system; every step checks its results',
    args: '',
    load: async () => (await import('./demo.js')).demoCommand(),
  },
  {
    name: 'chat',
    description: 'chat as a user in the terminal; /help lists its commands',
    args: '<user>',
    load: async () => (await import('./chat.js')).chatCommand(),
  },
  {
    name: 'token',
    description: 'print an HS256 token for a user',
    args: '<user>',
    load: async () => (await import('./token.js')).tokenCommand(),
  },
  {
    name: 'revoke',
    description: 'revoke all tokens of a user and end all sessions',
    args: '<user>',
    load: async () => (await import('./revoke.js')).revokeCommand(),
  },
  {
    name: 'check-config',
    description: 'check the environment variables of services, and explain each',
    args: '[service...]',
    load: async () => (await import('./check-config.js')).checkConfigCommand(),
  },
];
