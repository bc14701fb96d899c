import Type, { type Static } from 'typebox';
import { command } from './command.js';

/** A frame is a heartbeat only if it has no `messageType` (the guide's chat messages carry `beatID` too). Answered in kind. */
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
  usage: 'Every `heartbeat` seconds of the login receipt.',
  operation: 'heartbeat',
});
