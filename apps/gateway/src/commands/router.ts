import type { Up } from '@huizhi/protocol';
import type { Connection, ConnectionState } from '../connection/connection.js';
import { errorFrame, loginRefused } from '../frames.js';
import type { Session } from '../session/session.js';
import { chat } from './chat.js';
import { createGroup } from './create-group.js';
import { heartbeat } from './heartbeat.js';
import { history } from './history.js';
import { login } from './login.js';
import { frame, type Result } from './outcome.js';
import { receipt } from './receipt.js';
import type { Services } from './services.js';

type FrameOf<Type extends Up['type']> = Extract<Up, { type: Type }>['frame'];

/** What a command may use: a fresh connection has no session yet, an open one has. */
interface Actors {
  fresh: Connection;
  open: Session;
}

interface Route<State extends keyof Actors, Type extends Up['type']> {
  readonly state: State;
  readonly run: (services: Services, actor: Actors[State], frame: FrameOf<Type>) => Result;
}

type Routes = { readonly [Type in Up['type']]: Route<'fresh', Type> | Route<'open', Type> };

/** Every client command, and the state its connection must be in. */
export const routes = {
  login: { state: 'fresh', run: login },
  normal: { state: 'open', run: chat },
  createGroup: { state: 'open', run: createGroup },
  receipt: { state: 'open', run: receipt },
  history: { state: 'open', run: history },
  beat: { state: 'open', run: heartbeat },
} as const satisfies Routes;

export function dispatch(services: Services, connection: Connection, up: Up): Result {
  const { state, run } = routes[up.type];
  if (state !== connection.state) return misplaced(connection.state);
  const actor = state === 'fresh' ? connection : connection.session;
  // The table has checked each row; here one row is all of them.
  return (run as (services: Services, actor: unknown, frame: unknown) => Result)(services, actor, up.frame);
}

function misplaced(state: ConnectionState): Result {
  if (state !== 'fresh') return frame(errorFrame('unsupported', 'this connection is logged in already'));
  return { frames: [loginRefused('loginRequired', 'the first frame must be a login')], close: 'loginFailed' };
}
