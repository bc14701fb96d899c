import { type Client, type Observed, type Observer, seen, type SeenMessage, type Target } from '@huizhi/client';

/** What a test adds to what a client observes. */
export type Stated =
  /** A whole conversation, read when everything was quiet. `participants`: who may see it; needed for groups only. */
  | { ev: 'history'; conversation: string; participants?: string[]; messages: SeenMessage[] }
  /** The test waited until nothing more was to come to this device: what it has not by now is lost. */
  | { ev: 'quiet' }
  /** The test breaks something, or mends it (`over`). Meanwhile, and for a while after, nobody is promised an answer in time. */
  | { ev: 'fault'; what: string; over: boolean }
  /** Something measured: a heap, a lag. */
  | { ev: 'bound'; what: string; value: number; atMost: number };

/** One line of a log: what one device saw, in the order in which it saw it. `t`: milliseconds since 1970, for people. */
export type LogLine = { user: string; device: string; t: number } & (Observed | Stated);

/** An observer that writes NDJSON, one line a call, without the line end. */
export function logObserver(user: string, device: string, write: (line: string) => void): Observer {
  return (event) => write(logLine(user, device, event));
}

export function logLine(user: string, device: string, event: Observed | Stated): string {
  return JSON.stringify({ t: Date.now(), user, device, ...event });
}

/** @throws SyntaxError when it is not a line of a log */
export function parseLogLine(text: string): LogLine {
  const line = JSON.parse(text) as Partial<LogLine> | null;
  if (typeof line?.user !== 'string' || typeof line.device !== 'string' || typeof line.ev !== 'string') {
    throw new SyntaxError('a line of a log names a user, a device and an event');
  }
  return line as LogLine;
}

const PAGE = 200;

/** Reads a whole conversation, for the log. Rejects as `HuizhiClient.history` does. */
export async function readHistory(client: Client, target: Target, participants?: string[]): Promise<Stated> {
  const messages: SeenMessage[] = [];
  for (;;) {
    const page = await client.history(target, { afterSeq: messages.at(-1)?.seq ?? 0, limit: PAGE });
    messages.push(...page.messages.map(seen));
    if (!page.hasMore || page.messages.length === 0) {
      const { conversationID: conversation } = page;
      return { ev: 'history', conversation, ...(participants ? { participants } : {}), messages };
    }
  }
}
