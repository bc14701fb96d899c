import { decodeLines, type Command, type ErrorName, type Lines } from '@huizhi/protocol';
import { Backoff, pause, type Bus } from '@huizhi/runtime';
import type { GatewayConfig } from '../config.js';
import { echoOf, errorFrame } from '../frames.js';
import type { Session } from '../sessions/session.js';
import { frame, type Outcome, type Result } from './outcome.js';
import type { Services } from './services.js';

/** Maximum number of concurrent queries per session; an answer can have half a megabyte. */
const MAX_AT_ONCE = 4;
const ATTEMPTS = 3;

/** The head of each reply to a query. */
export interface QueryReply {
  readonly error?: ErrorName;
}

/** A command of the class `query`: builds the request to the service and the answer from its reply. */
export interface Query<Frame, Request extends object = object, Reply extends QueryReply = QueryReply> {
  /** Milliseconds for all attempts together. */
  timeoutMs(config: GatewayConfig): number;
  request(session: Session, frame: Frame): Request;
  /** The answering frame as JSON text. @param reply a reply without an error */
  answer(frame: Frame, request: Request, reply: Lines<Reply>): string;
  /** The reason sent when the service refuses the query. */
  readonly refusal: string;
}

/** Creates the handler of a command of the class `query`. */
export function queryHandler<Frame extends { readonly requestID: string }>(
  { type, asks }: Command,
  query: Query<Frame>,
): (services: Services, session: Session, frame: Frame) => Result {
  if (!asks) throw new Error(`command "${type}" is a query and names no service: add \`asks\` to its definition`);
  const run = async ({ bus, config }: Services, session: Session, asked: Frame): Promise<Outcome> => {
    const request = query.request(session, asked);
    const reply = await ask(bus, asks.subject, request, query.timeoutMs(config));
    if (!reply) return refused('unavailable', 'this cannot be read just now', asked.requestID);
    const { error } = reply.head;
    return error ? refused(error, query.refusal, asked.requestID) : frame(query.answer(asked, request, reply));
  };
  return (services, session, asked) => {
    const tooMany = refused('unavailable', 'too many requests at once', asked.requestID);
    if (session.queries >= MAX_AT_ONCE || session.connection.isBackpressured) return tooMany;
    session.queries += 1;
    return run(services, session, asked)
      .then((outcome) => (session.connection.isBackpressured ? tooMany : outcome))
      .finally(() => (session.queries -= 1));
  };
}

/**
 * Sends the request to one instance of the service, chosen by the bus. A frozen or disconnected instance does not
 * answer, so the request is repeated; any instance may answer it.
 */
async function ask(
  bus: Bus,
  subject: string,
  request: object,
  timeoutMs: number,
): Promise<Lines<QueryReply> | undefined> {
  const payload = JSON.stringify(request);
  const backoff = new Backoff(50, 500);
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    try {
      const reply = decodeLines<QueryReply>(await bus.request(subject, payload, { timeoutMs: timeoutMs / ATTEMPTS }));
      if (reply.head.error !== 'unavailable') return reply;
    } catch {
      // A timeout, no responder or no bus: each is retried.
    }
    if (attempt < ATTEMPTS) await pause(backoff.next());
  }
  return undefined;
}

const refused = (error: ErrorName, reason: string, requestID: string): Outcome =>
  frame(errorFrame(error, reason, echoOf({ requestID })));
