import type { Command } from 'commander';

/** A command as `hz --help` lists it, and how to get it. A test compares the two. */
export interface CommandEntry {
  name: string;
  description: string;
  /** As commander writes them: `<user>`, `[mode]`. */
  args: string;
  load(): Promise<Command>;
}

export const commands: readonly CommandEntry[] = [
  {
    name: 'up',
    description: 'start everything on this machine, show a conversation, and stay until Ctrl-C',
    args: '',
    load: async () => (await import('./up.js')).upCommand(),
  },
  {
    name: 'demo',
    description: 'run the demonstration against a running system; every step checks what it claims',
    args: '',
    load: async () => (await import('./demo.js')).demoCommand(),
  },
  {
    name: 'chat',
    description: 'chat as a user in the terminal; /help there lists what can be done',
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
    description: 'revoke all tokens of a user, and end its sessions everywhere',
    args: '<user>',
    load: async () => (await import('./revoke.js')).revokeCommand(),
  },
];
