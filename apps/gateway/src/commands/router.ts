import { clientCommands, commandOf, type FrameOf, type TypeOf, type Up } from '@huizhi/protocol';
import { assertAllHandled } from '@huizhi/runtime';
import type { Session } from '../sessions/session.js';
import type { ConnectionState, SessionSocket } from '../sessions/session-socket.js';
import { errorFrame, loginRefused } from '../frames.js';
import { composeChat } from './chat.js';
import { composeGroup } from './create-group.js';
import { heartbeat } from './heartbeat.js';
import { history } from './history.js';
import { login } from './login.js';
import { frame, type Result } from './outcome.js';
import { queryHandler, type Query } from './query.js';
import { receipt } from './receipt.js';
import { submit, type Compose } from './send.js';
import type { Services } from './services.js';

type SessionHandler<Type extends TypeOf<'session'>> = (
  services: Services,
  actor: Type extends 'login' ? SessionSocket : Session,
  frame: FrameOf<Type>,
) => Result;

/** Commands that the gateway answers itself. */
const sessionHandlers: { readonly [Type in TypeOf<'session'>]: SessionHandler<Type> } = {
  login,
  receipt,
  beat: heartbeat,
};
/** Commands that become events of a conversation, with the function that composes the send. */
const sends: { readonly [Type in TypeOf<'send'>]: Compose<FrameOf<Type>> } = {
  normal: composeChat,
  createGroup: composeGroup,
};
/** Commands that a service answers. */
const queries: { readonly [Type in TypeOf<'query'>]: Query<FrameOf<Type>> } = { history };

type Run = (services: Services, actor: never, frame: never) => Result;

interface Route {
  readonly opensSession: boolean;
  readonly run: Run;
}

const runs: ReadonlyMap<string, Run> = new Map<string, Run>([
  ...Object.entries<Run>(sessionHandlers),
  ...Object.entries(sends).map(([type, compose]): [string, Run] => [type, submit(compose as Compose<never>)]),
  ...Object.entries(queries).map(([type, query]): [string, Run] => [
    type,
    queryHandler(commandOf[type as TypeOf<'query'>], query as Query<never>),
  ]),
]);

assertAllHandled(
  clientCommands.map(({ type }) => type),
  runs.keys(),
  'command',
);

/** The handler of each client command. */
const routes = Object.fromEntries(
  clientCommands.map(({ type, opensSession }) => [type, { opensSession: opensSession === true, run: runs.get(type) }]),
) as Record<Up['type'], Route>;

/** @param session the session of the connection; undefined before its login */
export function dispatch(services: Services, socket: SessionSocket, session: Session | undefined, up: Up): Result {
  const { opensSession, run } = routes[up.type];
  if ((socket.state === 'fresh') !== opensSession) return misplaced(socket.state);
  const actor = opensSession ? socket : session;
  // The types of the tables above match each handler with its command.
  return run(services, actor as never, up.frame as never);
}

function misplaced(state: ConnectionState): Result {
  if (state !== 'fresh') return frame(errorFrame('unsupported', 'this connection is logged in already'));
  return { frames: [loginRefused('loginRequired', 'the first frame must be a login')], close: 'loginFailed' };
}
