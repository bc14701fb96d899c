import {
  decodeLines,
  errorTable,
  inboxLaneOf,
  ProtocolError,
  subjects,
  type OpenReply,
  type OpenRequest,
} from '@huizhi/protocol';
import { Backoff, pause, type Bus, type ControlClient } from '@huizhi/runtime';
import type { SessionSocket } from '../sessions/session-socket.js';
import type { Credentials } from './authenticator.js';
import { Session, type SessionTask, type Identity, type SessionSettings } from '../sessions/session.js';
import type { Sessions } from '../sessions/sessions.js';
import type { KnownUsers } from './known-users.js';

export interface OpenerSettings extends SessionSettings {
  readonly HZ_OFFLINE_LANES: number;
  readonly HZ_LOGIN_BUDGET: number;
}

export interface Opened {
  readonly session: Session;
  readonly reply: OpenReply;
}

/** Timeout of one request, milliseconds. */
const ATTEMPT_MS = 1_000;

/**
 * A newer login of the same device was processed first. This login must not be retried; the client may log in again.
 */
class OvertakenError extends ProtocolError {}

/** Opens a session with the owner of the user's inbox lane. */
export class SessionOpener {
  private last = 0;
  private logins = 0;

  constructor(
    private readonly gateway: string,
    private readonly bus: Bus,
    private readonly control: Pick<ControlClient, 'request'>,
    private readonly sessions: Sessions,
    private readonly known: KnownUsers,
    private readonly settings: OpenerSettings,
    private readonly sessionTasks: readonly SessionTask[],
    private readonly now: () => number,
  ) {}

  /**
   * Retries until the message and offline services answer or HZ_LOGIN_BUDGET is over.
   * @param began when the login frame arrived, gateway clock in ms
   * @throws ProtocolError `unavailable`, or the owner's error
   */
  async open(identity: Identity, credentials: Credentials, socket: SessionSocket, began: number): Promise<Opened> {
    const until = this.now() + this.settings.HZ_LOGIN_BUDGET;
    const login = ++this.logins;
    await this.retry(until, socket, () => this.ensureUser(identity.user));
    return this.retry(until, socket, () => this.attempt(identity, credentials, socket, { login, began }));
  }

  private async ensureUser(user: string): Promise<void> {
    if (this.known.has(user)) return;
    await this.control.request('ensureUser', { user }, { timeoutMs: ATTEMPT_MS, attempts: 1 });
    this.known.add(user);
  }

  /**
   * Each attempt has a new session number: if an unanswered attempt succeeded, the next one kicks that session, not
   * itself.
   */
  private async attempt(
    identity: Identity,
    credentials: Credentials,
    socket: SessionSocket,
    { login, began }: { login: number; began: number },
  ): Promise<Opened> {
    this.last += 1;
    const { user, device, deviceType, version } = identity;
    const inboxLane = inboxLaneOf(user, this.settings.HZ_OFFLINE_LANES);
    const { settings, sessionTasks } = this;
    const { sendBudget } = this.sessions;
    const session = new Session(this.last, identity, inboxLane, socket, settings, sessionTasks, sendBudget);
    const request: OpenRequest = {
      gateway: this.gateway,
      session: this.last,
      user,
      device,
      deviceType: deviceType ?? '',
      version,
      issuedAt: credentials.issuedAt,
      login,
      age: this.now() - began,
    };
    this.sessions.add(session);
    try {
      const answer = await this.bus.request(subjects.open(inboxLane), JSON.stringify(request), {
        timeoutMs: ATTEMPT_MS,
      });
      const reply = decodeLines<OpenReply>(answer).head;
      if (reply.overtaken) throw new OvertakenError('unavailable', 'this device has logged in elsewhere since');
      if (reply.error) throw new ProtocolError(reply.error, 'the session could not be opened');
      session.opened(reply);
      return { session, reply };
    } catch (error) {
      this.sessions.remove(session);
      throw error;
    }
  }

  private async retry<T>(until: number, socket: SessionSocket, attempt: () => Promise<T>): Promise<T> {
    const backoff = new Backoff(100, 1_000);
    for (;;) {
      // A client that has disconnected may have logged in elsewhere; another attempt would kick that session.
      if (socket.state === 'closing') throw unavailable();
      try {
        return await attempt();
      } catch (error) {
        if (error instanceof OvertakenError) throw error;
        if (error instanceof ProtocolError && !errorTable[error.error].temporary) throw error;
      }
      const wait = backoff.next();
      if (this.now() + wait >= until) throw unavailable();
      await pause(wait);
    }
  }
}

const unavailable = (): ProtocolError =>
  new ProtocolError('unavailable', 'the message or offline service does not answer');
