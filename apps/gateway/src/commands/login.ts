import { OLDEST_VERSION, ProtocolError, type Login, type LoginReceipt } from '@huizhi/protocol';
import type { GatewayConfig } from '../config.js';
import { loginRefused } from '../frames.js';
import type { Opened } from '../login/session-opener.js';
import { logins } from '../metrics.js';
import { heartbeatOf } from '../sessions/heartbeat.js';
import type { Identity } from '../sessions/session.js';
import type { SessionSocket } from '../sessions/session-socket.js';
import type { Outcome, Result } from './outcome.js';
import type { Services } from './services.js';

const DEFAULT_DEVICE = 'default';

/** The first frame: verifies the user, then opens a session with the owner of the user's inbox lane. */
export function login(services: Services, socket: SessionSocket, frame: Login): Result {
  const { config } = services;
  if (frame.versionCode < OLDEST_VERSION) {
    logins.add('upgradeRequired');
    const more = { upgradeRequired: true, upgradeURL: config.HZ_UPGRADE_URL };
    const text = loginRefused('upgradeRequired', 'this version is no longer supported', more);
    return { frames: [text], close: 'upgradeRequired' };
  }
  return open(services, socket, frame);
}

/** The token is verified first, so that failed logins of others cannot block a login with a valid token. */
async function open(services: Services, socket: SessionSocket, frame: Login): Promise<Outcome> {
  const { opener, config, loginRateLimiter: attempts, authenticator, isDraining } = services;
  const began = services.now();
  try {
    const credentials = await authenticator(frame.fromUserID, frame.token);
    if (isDraining()) return { close: 'drain' };
    if (!attempts.take(socket.clientNetwork, frame.fromUserID)) return tooMany();
    const { session, reply } = await opener.open(identityOf(frame), credentials, socket, began);
    session.expiresAt = services.now() + credentials.expiresAt + config.HZ_TOKEN_LEEWAY - Date.now();
    logins.add('ok');
    return { session, frames: [welcome(session.identity, { session, reply }, config)] };
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    // An expired token does not count as a guess: its client must always get `tokenExpired`.
    const isGuess = error.error === 'badToken';
    if (isGuess && !attempts.failed(socket.clientNetwork, frame.fromUserID, frame.token ?? '')) return tooMany();
    logins.add(error.error);
    const text = loginRefused(error.error, error.message);
    return { frames: [text], close: error.error === 'unavailable' ? 'unavailable' : 'loginFailed' };
  }
}

function tooMany(): Outcome {
  logins.add('unavailable');
  return { frames: [loginRefused('unavailable', 'too many logins: retry later')], close: 'rateLimited' };
}

const identityOf = ({ fromUserID, deviceID, deviceType, versionCode }: Login): Identity => ({
  user: fromUserID,
  device: deviceID ?? DEFAULT_DEVICE,
  deviceType,
  version: versionCode,
});

function welcome({ user, device, version }: Identity, { session, reply }: Opened, config: GatewayConfig): string {
  const receipt: LoginReceipt = {
    messageType: 'loginReceipt',
    code: 0,
    fromUserID: user,
    deviceID: device,
    heartbeat: heartbeatOf(version, config) / 1_000,
    limits: {
      frameBytes: config.HZ_FRAME_BYTES,
      framesPerSecond: config.HZ_FRAMES_PER_SECOND,
      unansweredSends: config.HZ_UNANSWERED_SENDS,
      window: config.HZ_WINDOW,
      batchEntries: config.HZ_BATCH_ENTRIES,
    },
    inboxSeq: reply.cursor,
    head: session.inbox.last,
    // A live entry may have arrived before the answer to the login.
    waiting: reply.waiting + Math.max(0, session.inbox.last - Math.max(reply.head, reply.last)),
    generation: reply.generation,
    ...(reply.resync && { resync: true }),
    serverTime: String(Date.now()),
  };
  return JSON.stringify(receipt);
}
