import Type, { type Static } from 'typebox';
import { command } from './command.js';

/**
 * A heartbeat has no `messageType`; chat messages of protocol version 1 carry `beatID` too. The answer has the same
 * `beatID`.
 */
export const Heartbeat = Type.Object({ beatID: Type.String({ maxLength: 64 }) });
export type Heartbeat = Static<typeof Heartbeat>;

export const heartbeat = command({
  type: 'beat',
  untyped: 'beatID',
  schema: Heartbeat,
  class: 'session',
  rate: 'quiet',
  answers: ['beat'],
  authority: 'Any session.',
  summary: 'A heartbeat: the only frame without `messageType` besides the login.',
  usage: 'Sent every `heartbeat` seconds, as the login receipt states.',
  operation: 'heartbeat',
});
