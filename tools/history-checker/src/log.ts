import { type Client, type Observed, type Observer, seen, type SeenMessage, type Target } from '@huizhi/client';

/** Events that a test adds to the client's observations. */
export type Stated =
  /**
   * A whole conversation, read after the system settled. `participants`: the users that may see it; needed for groups
   * only.
   */
  | { ev: 'history'; conversation: string; participants?: string[]; messages: SeenMessage[] }
  /** The test waited until no delivery was pending for this device: messages that are missing now are lost. */
  | { ev: 'quiet' }
  /**
   * The test injects a fault, or ends it (`over`). During a fault and shortly after it, late answers are no violation.
   */
  | { ev: 'fault'; what: string; over: boolean }
  /** A measured value, such as a heap size or a lag. */
  | { ev: 'bound'; what: string; value: number; atMost: number };

/** One line of a log: the observations of one device, in order. `t`: milliseconds since 1970. */
export type LogLine = { user: string; device: string; t: number } & (Observed | Stated);

/** An observer that writes NDJSON, one line per call, without the line end. */
export function logObserver(user: string, device: string, write: (line: string) => void): Observer {
  return (event) => write(logLine(user, device, event));
}

export function logLine(user: string, device: string, event: Observed | Stated): string {
  return JSON.stringify({ t: Date.now(), user, device, ...event });
}

/** @throws SyntaxError when the text is not a log line */
export function parseLogLine(text: string): LogLine {
  const line = JSON.parse(text) as Partial<LogLine> | null;
  if (typeof line?.user !== 'string' || typeof line.device !== 'string' || typeof line.ev !== 'string') {
    throw new SyntaxError('a log line must name a user, a device and an event');
  }
  return line as LogLine;
}

const PAGE = 200;

/** Reads a whole conversation for the log. Rejects like `HuizhiClient.history`. */
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
