import type { Static, TObject } from 'typebox';
import type { LaneService } from '../bus/subjects.js';
import type { DownName } from '../down.js';

/**
 * How the gateway treats a command:
 *
 * - `session`: the gateway answers from its own state, or changes the session. Its handler is specific.
 * - `send`: becomes an event in the lane of a conversation. The gateway builds a send; the lane owner decides, and a
 *   receipt answers it. The command is idempotent by `clientMsgID`.
 * - `query`: reads from a service over the bus. The gateway limits how many run at a time, retries and times out.
 */
export type CommandClass = 'session' | 'send' | 'query';

/**
 * One client command. This object is its only description. The wire schema, the reader, the gateway's route, the rate
 * limit, the labels of metrics, the AsyncAPI document, the tables of docs/protocol.md and the rows of the authorisation
 * matrix follow from it.
 */
export interface Command<
  Type extends string = string,
  Schema extends TObject = TObject,
  Class extends CommandClass = CommandClass,
> {
  /** Name in code, metrics and documents. It is the `messageType` on the wire, unless `untyped` is set. */
  readonly type: Type;
  /** The frame has no `messageType`; it is recognised by this field. */
  readonly untyped?: keyof Static<Schema> & string;
  readonly schema: Schema;
  readonly class: Class;
  /** Service that answers a `query`, and the subject on which any of its instances answers. */
  readonly asks?: { readonly service: LaneService; readonly subject: string };
  /** The command opens the session; every other command requires one. */
  readonly opensSession?: true;
  /** `quiet`: a receipt or heartbeat, with a separate rate limit. */
  readonly rate: 'frames' | 'quiet';
  /** Server frames that may answer it. */
  readonly answers: readonly DownName[];
  /** One sentence about which users may use it on which targets. test/authorisation.e2e.test.ts tests these cases. */
  readonly authority: string;
  /** One sentence about the frame. */
  readonly summary: string;
  /** One sentence about when it is sent and how it is answered. */
  readonly usage: string;
  /** The operation's name in the AsyncAPI document. Default: `type`. */
  readonly operation?: string;
  /** Checks that the schema cannot express. @throws ProtocolError `badField` or `unsupported` */
  readonly check?: (frame: Static<Schema>) => void;
}

/** Keeps the literal types of a definition. */
export const command = <const Type extends string, Schema extends TObject, const Class extends CommandClass>(
  definition: Command<Type, Schema, Class>,
): Command<Type, Schema, Class> => definition;
