import type { Static, TObject } from 'typebox';
import type { LaneService } from '../bus/subjects.js';
import type { DownName } from '../down.js';

/**
 * How the gateway treats a command:
 *
 * - `session`: the gateway answers from its own state, or changes the session. The handler is written by hand.
 * - `send`: becomes an event in the lane of a conversation. The gateway composes a send; the lane owner decides, and a
 *   receipt answers it. The command is idempotent by `clientMsgID`.
 * - `query`: reads from a service over the bus. The gateway limits how many run at a time, retries and times out.
 */
export type CommandClass = 'session' | 'send' | 'query';

/**
 * One client command. This object is the only place that describes it: the wire schema, the reader, the gateway's route,
 * the rate limit, the metrics' labels, the AsyncAPI document, the tables of docs/protocol.md and the rows that the
 * authorisation matrix must have all follow from it.
 */
export interface Command<
  Type extends string = string,
  Schema extends TObject = TObject,
  Class extends CommandClass = CommandClass,
> {
  /** The name in code, metrics and documents. It is the `messageType` on the wire, unless `untyped`. */
  readonly type: Type;
  /** The frame has no `messageType`: it is recognised by this field instead. */
  readonly untyped?: keyof Static<Schema> & string;
  readonly schema: Schema;
  readonly class: Class;
  /** The service that answers a `query`, and the subject on which any of its instances does. */
  readonly asks?: { readonly service: LaneService; readonly subject: string };
  /** The command opens the session; every other command needs one. */
  readonly opensSession?: true;
  /** `quiet`: a receipt or heartbeat, which has a rate limit of its own. */
  readonly rate: 'frames' | 'quiet';
  /** Frames of the server that may answer it. */
  readonly answers: readonly DownName[];
  /** Which users may use it on what, in a sentence. The situations are played by test/authorisation.e2e.test.ts. */
  readonly authority: string;
  /** One sentence about the frame. */
  readonly summary: string;
  /** One sentence about when it is sent and how it is answered. */
  readonly usage: string;
  /** The operation's name in the AsyncAPI document. Default: `type`. */
  readonly operation?: string;
  /** What the schema cannot say. @throws ProtocolError `badField` or `unsupported` */
  readonly check?: (frame: Static<Schema>) => void;
}

/** Keeps the literal types of a definition. */
export const command = <const Type extends string, Schema extends TObject, const Class extends CommandClass>(
  definition: Command<Type, Schema, Class>,
): Command<Type, Schema, Class> => definition;
