import Type, { type Static, type TObject, type TProperties, type TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { ProtocolError } from './errors.js';
import { ID_PATTERN, idProblem, MAX_ID_LENGTH } from './id-rule.js';

const ID_FORMAT = 'id';
/**
 * Externally chosen ids (users, devices). Checked by {@link idProblem}, because a schema cannot express all of the
 * rule.
 */
export const Id = Type.String({ format: ID_FORMAT, minLength: 1, maxLength: MAX_ID_LENGTH, pattern: ID_PATTERN });
/** Ids that a client generates, one per message or request. */
export const ClientId = Type.String({ pattern: '^[\\x21-\\x7e]{1,64}$' });
/** Kind of a message's content: `text`, `picture` … */
export const Kind = Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$' });
/** A decimal `messageID`. */
export const MessageId = Type.String({ pattern: '^[1-9][0-9]{0,15}$' });
/** A client's own time stamp; the server echoes it and never interprets it. */
export const SendTime = Type.String({ maxLength: 32 });
export const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
/** The `content` object of a message; opaque except for `text`. */
export const Content = Type.Record(Type.String(), Type.Unknown());

/** Converts between integers and strings, because clients of protocol version 1 mix them. */
function tighten(value: unknown, type: string | undefined): unknown {
  if (type === 'string' && typeof value === 'number' && Number.isSafeInteger(value)) return String(value);
  if (type === 'integer' && typeof value === 'string' && /^(0|[1-9][0-9]{0,15})$/.test(value)) return Number(value);
  return value;
}

/** Value of the object's own field; undefined if it is absent or null. */
export function own(raw: Record<string, unknown>, name: string): unknown {
  return Object.hasOwn(raw, name) ? (raw[name] ?? undefined) : undefined;
}

/** The JSON Schema keywords that the readers use. */
interface FieldSchema extends TSchema {
  readonly type?: string;
  readonly format?: string;
  readonly items?: FieldSchema;
  readonly minItems?: number;
  readonly maxItems?: number;
}

/** Converts a value to the type of its schema. @throws ProtocolError `badField` */
type Read = (value: unknown, field: string, index?: number) => unknown;

const bad = (field: string, what: string): ProtocolError => new ProtocolError('badField', `${field}: ${what}`);

function readerOf(schema: FieldSchema): Read {
  if (schema.type === 'array' && schema.items) return listReader(schema.items, schema);
  if (schema.format === ID_FORMAT) return readId;
  const validator = Compile(schema);
  return (value, field, index) => {
    const tight = tighten(value, schema.type);
    if (validator.Check(tight)) return tight;
    throw bad(placeIn(field, index), validator.Errors(tight)[0]?.message ?? 'is not valid');
  };
}

const placeIn = (field: string, index?: number): string => (index === undefined ? field : `${field}/${index}`);

function readId(value: unknown, field: string, index?: number): string {
  const tight = tighten(value, 'string');
  const problem = typeof tight === 'string' ? idProblem(tight) : 'must be string';
  if (problem === undefined) return tight as string;
  throw bad(placeIn(field, index), problem);
}

/**
 * Checks the length first and stops at the first invalid item, so that a refused list costs no more than a valid one.
 */
function listReader(items: FieldSchema, { minItems = 0, maxItems = Infinity }: FieldSchema): Read {
  const readItem = readerOf(items);
  return (list, field) => {
    if (!Array.isArray(list)) throw bad(field, 'must be array');
    if (list.length < minItems) throw bad(field, `must not have fewer than ${minItems} items`);
    if (list.length > maxItems) throw bad(field, `must not have more than ${maxItems} items`);
    return list.map((item, index) => readItem(item, field, index));
  };
}

/**
 * Creates the reader of one kind of frame. It keeps the fields of the schema, drops all others (local fields of a
 * client are never stored or relayed), converts and checks types. It stops at the first missing or invalid field.
 * @throws ProtocolError `badField`, which names the field and the rule, never the value
 */
export function frameReader<T extends TProperties>(
  schema: TObject<T>,
): (raw: Record<string, unknown>) => Static<TObject<T>> {
  const required = (schema.required ?? []) as readonly string[];
  const fields = Object.entries(schema.properties).map(([name, property]) => ({
    name,
    read: readerOf(property),
    isRequired: required.includes(name),
  }));
  return (raw) => {
    const frame: Record<string, unknown> = {};
    for (const { name, read, isRequired } of fields) {
      const value = own(raw, name);
      if (value !== undefined) frame[name] = read(value, name);
      else if (isRequired) throw bad(name, 'is missing');
    }
    return frame as Static<TObject<T>>;
  };
}
