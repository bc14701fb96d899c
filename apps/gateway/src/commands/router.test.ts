import { expect, test } from '@jest/globals';
import { clientCommands, type Up } from '@huizhi/protocol';
import { dispatch } from './router.js';
import type { SessionSocket } from '../sessions/session-socket.js';
import type { Services } from './services.js';

test('the router refuses every command except the login before the login', () => {
  const services = {} as Services;
  const socket = { state: 'fresh' } as SessionSocket;
  for (const { type } of clientCommands.filter(({ opensSession }) => opensSession !== true)) {
    const result = dispatch(services, socket, undefined, { type, frame: {} } as Up);
    expect([type, result]).toEqual([type, expect.objectContaining({ close: 'loginFailed' })]);
  }
});

test('the router refuses a login in an open session', () => {
  const frame = { fromUserID: 'alice', versionCode: 2 };
  const result = dispatch({} as Services, { state: 'open' } as SessionSocket, undefined, { type: 'login', frame });
  expect(result).toEqual({ frames: [expect.stringContaining('"name":"unsupported"')] });
});
