import type { ChatModel } from './model.js';
import type { ChatSession } from './chat-session.js';

interface ChatCommand {
  usage: string;
  help: string;
  /** Returns false when the arguments are invalid; then the usage is shown. */
  run(session: ChatSession, words: string[], model: ChatModel): boolean | Promise<void>;
}

const MAX_CUT_S = 3_600;
const MAX_HISTORY = 200;

const commands: Readonly<Record<string, ChatCommand>> = {
  to: {
    usage: '/to <user>',
    help: 'select the recipient and show the end of that conversation',
    run: (session, [user]) => {
      if (user === undefined) return false;
      session.choose({ user });
      return true;
    },
  },
  group: {
    usage: '/group <id>',
    help: 'select a group and show the end of its conversation',
    run: (session, [group]) => {
      if (group === undefined) return false;
      session.choose({ group });
      return true;
    },
  },
  new: {
    usage: '/new <user> [<user> …]',
    help: 'create a group of these users and you',
    run: (session, members) => (members.length === 0 ? false : session.createGroup(members)),
  },
  history: {
    usage: '/history [count]',
    help: 'show older messages that were not shown yet',
    run: (session, [count]) => {
      const limit = wholeNumber(count, 20, 1, MAX_HISTORY);
      return limit === undefined ? false : session.recall(limit);
    },
  },
  away: {
    usage: '/away',
    help: 'withhold receipts: messages are shown, but stay undelivered for the server and are redelivered',
    run: (session) => {
      session.setAway(true);
      return true;
    },
  },
  back: {
    usage: '/back',
    help: 'send the withheld receipts, and later ones as usual',
    run: (session) => {
      session.setAway(false);
      return true;
    },
  },
  cut: {
    usage: '/cut [seconds]',
    help: 'drop the connection for this many seconds (default 0); nothing is lost',
    run: (session, [text]) => {
      const seconds = wholeNumber(text, 0, 0, MAX_CUT_S);
      if (seconds === undefined) return false;
      session.cut(seconds);
      return true;
    },
  },
  frames: {
    usage: '/frames',
    help: 'turn the display of sent and received frames on or off',
    run: (session, _words, model) => {
      model.note(session.toggleFrames() ? 'Frames are shown.' : 'Frames are hidden.');
      return true;
    },
  },
  connect: {
    usage: '/connect',
    help: 'log in again after the server has ended the session',
    run: (session) => {
      session.connect();
      return true;
    },
  },
  help: {
    usage: '/help',
    help: 'show this list',
    run: (_session, _words, model) => {
      for (const line of helpLines()) model.note(line);
      return true;
    },
  },
  quit: { usage: '/quit', help: 'leave, like Ctrl-C and Ctrl-D', run: () => true },
};

export function helpLines(): string[] {
  const all = Object.values(commands);
  const columns = Math.max(...all.map(({ usage }) => usage.length));
  return [
    ...all.map(({ usage, help }) => `${usage.padEnd(columns)}  ${help}`),
    'Any other line is sent as text; begin it with // to send a text that begins with /.',
    '… being sent   ✓ stored by the server   ✗ refused   ○ received, receipt withheld',
  ];
}

/** Processes one line of input. Resolves with false for `/quit`. */
export async function obey(line: string, session: ChatSession, model: ChatModel): Promise<boolean> {
  if (line.trim() === '') return true;
  if (!line.startsWith('/') || line.startsWith('//')) {
    const text = line.startsWith('//') ? line.slice(1) : line;
    if (!session.send(text)) model.note('Choose a conversation first: /to <user>', 'problem');
    return true;
  }
  const [name = '', ...words] = line.slice(1).trim().split(/\s+/);
  if (name === 'quit') return false;
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!command) {
    model.note(`There is no /${name}. /help lists all commands.`, 'problem');
    return true;
  }
  try {
    if ((await command.run(session, words, model)) === false) model.note(`So: ${command.usage}`, 'problem');
  } catch (error) {
    model.note(error instanceof Error ? error.message : String(error), 'problem');
  }
  return true;
}

function wholeNumber(text: string | undefined, otherwise: number, min: number, max: number): number | undefined {
  if (text === undefined) return otherwise;
  const value = Number(text);
  return Number.isInteger(value) && value >= min && value <= max ? value : undefined;
}
