import Type, { type Static, type TObject, type TProperties } from 'typebox';
import { Compile } from 'typebox/compile';
import { ProtocolError } from './errors.js';

/** Ids chosen outside (users, devices): 1–64 characters that need no escaping in JSON, URLs or logs. */
const ID_PATTERN = '^[A-Za-z0-9][A-Za-z0-9._@:+-]{0,63}$';
export const Id = Type.String({ pattern: ID_PATTERN });
const USER_ID = new RegExp(ID_PATTERN);
/** For ids that come from elsewhere than a frame. */
export const isUserID = (value: unknown): value is string => typeof value === 'string' && USER_ID.test(value);
/** Ids a client makes up for one message. */
export const ClientId = Type.String({ pattern: '^[\\x21-\\x7e]{1,64}$' });
/** What a message's content is: `text`, `picture` … */
export const Kind = Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$' });
/** A decimal `messageID`. */
export const MessageId = Type.String({ pattern: '^[1-9][0-9]{0,15}$' });
/** A client's own time stamp: echoed, never interpreted. */
export const SendTime = Type.String({ maxLength: 32 });
export const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
/** The guide's `content` object; opaque but for `text`. */
export const Content = Type.Record(Type.String(), Type.Unknown());

type Loose = 'string' | 'integer' | 'strings' | 'other';

function looseness(schema: unknown): Loose {
  const { type, items } = schema as { type?: string; items?: { type?: string } };
  if (type === 'string') return 'string';
  if (type === 'integer') return 'integer';
  if (type === 'array' && items?.type === 'string') return 'strings';
  return 'other';
}

/** Numbers and strings are interchangeable on input (the guide's client mixes them); null is the same as absent. */
function tighten(value: unknown, as: Loose): unknown {
  if (as === 'string' && typeof value === 'number' && Number.isSafeInteger(value)) return String(value);
  if (as === 'integer' && typeof value === 'string' && /^(0|[1-9][0-9]{0,15})$/.test(value)) return Number(value);
  if (as === 'strings' && Array.isArray(value)) return value.map((item) => tighten(item, 'string'));
  return value;
}

/** A field that is there: the object's own, and not null, which is the same as absent. */
export function own(raw: Record<string, unknown>, name: string): unknown {
  return Object.hasOwn(raw, name) ? (raw[name] ?? undefined) : undefined;
}

/**
 * A reader of one kind of frame: keeps the fields the schema names, drops all others (a client's local fields are never
 * stored or relayed), tightens types, checks.
 * @throws ProtocolError `badField` that names the field and what is wrong with it, never its value.
 */
export function frameReader<T extends TProperties>(
  schema: TObject<T>,
): (raw: Record<string, unknown>) => Static<TObject<T>> {
  const fields = Object.entries(schema.properties).map(([name, property]) => [name, looseness(property)] as const);
  const required = (schema.required ?? []) as readonly string[];
  const validator = Compile(schema);
  return (raw) => {
    const frame: Record<string, unknown> = {};
    for (const [name, as] of fields) {
      const value = own(raw, name);
      if (value !== undefined) frame[name] = tighten(value, as);
    }
    if (validator.Check(frame)) return frame;
    const missing = required.find((name) => !Object.hasOwn(frame, name));
    if (missing !== undefined) throw new ProtocolError('badField', `${missing}: is missing`);
    const first = validator.Errors(frame)[0];
    const where = first?.instancePath.slice(1) || 'frame';
    throw new ProtocolError('badField', `${where}: ${first?.message ?? 'is not valid'}`);
  };
}
