import type { ChatModel } from './model.js';
import type { ChatSession } from './chat-session.js';

interface ChatCommand {
  usage: string;
  help: string;
  /** False: it was given wrongly, and its usage is shown. */
  run(session: ChatSession, words: string[], model: ChatModel): boolean | Promise<void>;
}

const MAX_CUT_S = 3_600;
const MAX_HISTORY = 200;

const commands: Readonly<Record<string, ChatCommand>> = {
  to: {
    usage: '/to <user>',
    help: 'choose whom you write to, and show the end of that conversation',
    run: (session, [user]) => {
      if (user === undefined) return false;
      session.choose({ user });
      return true;
    },
  },
  group: {
    usage: '/group <id>',
    help: 'the same with a group',
    run: (session, [group]) => {
      if (group === undefined) return false;
      session.choose({ group });
      return true;
    },
  },
  new: {
    usage: '/new <user> [<user> …]',
    help: 'make a group of these and you',
    run: (session, members) => (members.length === 0 ? false : session.createGroup(members)),
  },
  history: {
    usage: '/history [count]',
    help: 'older messages that were not shown yet',
    run: (session, [count]) => {
      const limit = wholeNumber(count, 20, 1, MAX_HISTORY);
      return limit === undefined ? false : session.recall(limit);
    },
  },
  away: {
    usage: '/away',
    help: 'withhold receipts: messages are shown, and for the server they stay undelivered and come again',
    run: (session) => {
      session.setAway(true);
      return true;
    },
  },
  back: {
    usage: '/back',
    help: 'send the receipts that were withheld, and each as usual from now on',
    run: (session) => {
      session.setAway(false);
      return true;
    },
  },
  cut: {
    usage: '/cut [seconds]',
    help: 'drop the connection, for some seconds if you like; nothing is lost',
    run: (session, [text]) => {
      const seconds = wholeNumber(text, 0, 0, MAX_CUT_S);
      if (seconds === undefined) return false;
      session.cut(seconds);
      return true;
    },
  },
  frames: {
    usage: '/frames',
    help: 'show every frame that is sent and received, or stop that',
    run: (session, _words, model) => {
      model.note(session.toggleFrames() ? 'Frames are shown.' : 'Frames are not shown any more.');
      return true;
    },
  },
  connect: {
    usage: '/connect',
    help: 'log in again after the server ended the session',
    run: (session) => {
      session.connect();
      return true;
    },
  },
  help: {
    usage: '/help',
    help: 'this',
    run: (_session, _words, model) => {
      for (const line of helpLines()) model.note(line);
      return true;
    },
  },
  quit: { usage: '/quit', help: 'leave, as Ctrl-C and Ctrl-D do', run: () => true },
};

export function helpLines(): string[] {
  const all = Object.values(commands);
  const columns = Math.max(...all.map(({ usage }) => usage.length));
  return [
    ...all.map(({ usage, help }) => `${usage.padEnd(columns)}  ${help}`),
    'Anything else is sent; begin with // for a text that begins with /.',
    '… on its way   ✓ stored by the server   ✗ refused   ○ came, and is not receipted yet',
  ];
}

/** One line of input. Resolves with false when it was the last. */
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
    model.note(`There is no /${name}. /help lists what there is.`, 'problem');
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
