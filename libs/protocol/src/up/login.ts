import Type, { type Static } from 'typebox';
import { Id } from '../schema.js';
import { command } from './command.js';

/**
 * The first frame of a connection. Clients of protocol version 1 send no `messageType`, `token` or `deviceID`, so a
 * first frame with `versionCode` and `fromUserID` is a login too. Answered by `loginReceipt`.
 */
export const Login = Type.Object({
  messageType: Type.Optional(Type.Literal('login')),
  fromUserID: Id,
  versionCode: Type.Integer({ minimum: 0, maximum: 1_000_000 }),
  /** A JWT of `fromUserID`. Its size is limited by the bytes that a connection may send before its login. */
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
  summary: 'The first frame. With `versionCode` and `fromUserID` it may omit `messageType`.',
  usage: 'Opens the session of a device.',
});
