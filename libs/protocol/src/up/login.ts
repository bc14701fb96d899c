import Type, { type Static } from 'typebox';
import { Id } from '../schema.js';
import { command } from './command.js';

/**
 * The first frame of a connection. The guide's client sends no `messageType`, `token` or `deviceID`: a first frame with
 * `versionCode` and `fromUserID` is a login all the same. Answered by `loginReceipt`.
 */
export const Login = Type.Object({
  messageType: Type.Optional(Type.Literal('login')),
  fromUserID: Id,
  versionCode: Type.Integer({ minimum: 0, maximum: 1_000_000 }),
  /** A JWT of `fromUserID`. Bounded by what a connection may send before its login. */
  token: Type.Optional(Type.String()),
  deviceID: Type.Optional(Id),
  deviceType: Type.Optional(Type.String({ maxLength: 32 })),
});
export type Login = Static<typeof Login>;

export const login = command({
  type: 'login',
  schema: Login,
  class: 'session',
  opensSession: true,
  rate: 'frames',
  answers: ['loginReceipt'],
  authority: 'A user whose token names `fromUserID`.',
  summary: 'The first frame. A first frame with `versionCode` and `fromUserID` is one without `messageType` too.',
  usage: 'Opens the session of a device.',
});
