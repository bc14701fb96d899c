import type { Static } from 'typebox';
import { ProtocolError } from './errors.js';
import { frameReader, own } from './schema.js';
import { chat } from './up/chat.js';
import type { Command, CommandClass } from './up/command.js';
import { createGroup } from './up/create-group.js';
import { heartbeat } from './up/heartbeat.js';
import { history } from './up/history.js';
import { login } from './up/login.js';
import { receipt } from './up/receipt.js';

/** Every client command. Together with `down.ts` this is the whole client protocol. */
export const clientCommands = [login, chat, createGroup, receipt, history, heartbeat] as const;

type ClientCommand = (typeof clientCommands)[number];
type Definitions = { readonly [C in ClientCommand as C['type']]: C };

export type CommandType = keyof Definitions;
/** Types of the commands of one class. */
export type TypeOf<Class extends CommandClass> = Extract<ClientCommand, { readonly class: Class }>['type'];
/** Fields of a command after validation. */
export type FrameOf<Type extends CommandType> = Static<Definitions[Type]['schema']>;

/** A validated frame: its command type and fields. */
export type Up = { [Type in CommandType]: { readonly type: Type; readonly frame: FrameOf<Type> } }[CommandType];

/** The definitions without literal types. */
const definitions = clientCommands as unknown as readonly Command[];

const byType = <Value>(value: (definition: Command) => Value): Record<string, Value> =>
  Object.fromEntries(definitions.map((definition) => [definition.type, value(definition)]));

/** The definitions by type. */
export const commandOf = byType((definition) => definition) as unknown as Definitions;

/** The schema of each command. */
export const upSchemas = byType(({ schema }) => schema) as unknown as {
  readonly [Type in CommandType]: Definitions[Type]['schema'];
};

type Reader = (raw: Record<string, unknown>) => Up;

function readerOf({ type, schema, check }: Command): Reader {
  const read = frameReader(schema);
  return (raw) => {
    const frame = read(raw);
    check?.(frame);
    return { type, frame } as unknown as Up;
  };
}

const readers = byType(readerOf) as Record<CommandType, Reader>;
const withMessageType = definitions.filter(({ untyped }) => untyped === undefined);
/** Readers by `messageType`. */
const typed = new Map<unknown, Reader>(withMessageType.map(({ type }) => [type, readers[type as CommandType]]));
/** Every `messageType` under the rate limit of receipts and heartbeats; a heartbeat itself has none. */
const quiet = new Set<unknown>(withMessageType.filter(({ rate }) => rate === 'quiet').map(({ type }) => type));

/** Whether a decoded frame counts against the rate limit of receipts and heartbeats. Its fields are not checked yet. */
export const isQuiet = ({ messageType }: Record<string, unknown>): boolean =>
  messageType === undefined || messageType === null || quiet.has(messageType);

/**
 * Reads a decoded object as a command.
 * @param first whether it is the connection's first frame: only then is an object without `messageType` a login
 * @throws ProtocolError `badField` or `unsupported`
 */
export function readUp(raw: Record<string, unknown>, first: boolean): Up {
  const messageType = own(raw, 'messageType');
  if (messageType === undefined) return readUntyped(raw, first);
  const read = typed.get(messageType);
  if (read) return read(raw);
  throw new ProtocolError('unsupported', 'messageType: is not one this server knows');
}

function readUntyped(raw: Record<string, unknown>, first: boolean): Up {
  if (first && own(raw, 'versionCode') !== undefined && own(raw, 'fromUserID') !== undefined) return readers.login(raw);
  if (own(raw, 'beatID') !== undefined) return readers.beat(raw);
  throw new ProtocolError('badField', 'messageType: is missing');
}
