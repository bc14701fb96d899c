import { stdin, stdout } from 'node:process';
import type { ChatOptions } from './chat-session.js';
import { ChatSession } from './chat-session.js';
import { obey } from './commands.js';
import { ChatModel } from './model.js';
import { PlainView } from './plain-view.js';
import { TerminalView, type Input } from './terminal-view.js';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Logs in, then reads lines until the user leaves. A terminal gets an input line that stays in place; otherwise output
 * is line by line.
 * @param to user of the first conversation
 * @returns `inHaste` when the user left a second time while receipts were pending
 * @throws the client's error when the login fails
 */
export async function runChat(options: ChatOptions, to?: string): Promise<{ inHaste: boolean }> {
  const model = new ChatModel(options.user, () => view?.update());
  const session = new ChatSession(options, model);
  let view: TerminalView | PlainView | undefined;
  await session.start();
  const inHaste = await new Promise<boolean>((resolve) => {
    // Lines are processed in order: a message must not overtake the command that selects its recipient.
    let turn: Promise<unknown> = Promise.resolve();
    let isLeaving = false;
    const leave = (): void => {
      if (isLeaving) return resolve(true);
      isLeaving = true;
      void turn.then(() => session.stop()).finally(() => resolve(false));
    };
    const input: Input = {
      onLine: (line) => {
        if (isLeaving) return;
        turn = turn.then(async () => {
          if (!(await obey(line, session, model))) leave();
        });
      },
      // In a pipe the input ends right after its last line.
      onLeave: leave,
    };
    const isTerminal = stdin.isTTY && stdout.isTTY;
    view = isTerminal
      ? new TerminalView(model, input, stdin, stdout)
      : new PlainView(model, input, stdin, (line) => void stdout.write(`${line}\n`));
    model.note(`You are ${options.user}. /to <user> selects the recipient, /help lists all commands.`);
    if (to !== undefined) input.onLine(`/to ${to}`);
    for (const signal of SIGNALS) process.on(signal, leave);
  });
  for (const signal of SIGNALS) process.removeAllListeners(signal);
  view?.close();
  return { inHaste };
}
