import type { Socket } from 'node:net';
import {
  ProtocolError,
  readUp,
  type CloseName,
  type ErrorName,
  type RefusedContentError,
  type Up,
} from '@huizhi/protocol';
import type { Outcome, Result } from '../commands/outcome.js';
import { clientLeft, connectionClosed, connectionFailed } from '../events.js';
import { closeFrame, echoOf, errorFrame, invalidReceipt, loginRefused } from '../frames.js';
import { framesIn } from '../metrics.js';
import { heartbeatOf } from '../sessions/heartbeat.js';
import type { Session } from '../sessions/session.js';
import type { ConnectionState, SessionSocket } from '../sessions/session-socket.js';
import type { Timed } from '../timing/timing-wheel.js';
import type { Arrival } from './connection-limiter.js';
import type { ConnectionContext } from './context.js';
import { FrameReader, type RawFrame } from './frame-reader.js';
import { WebSocketCodec } from './web-socket.js';
import { Writer } from './writer.js';

/** After the last frame the client has this many ms to read it and close the socket. */
const LINGER_MS = 1_500;
/** Heartbeat intervals without a byte from the client after which the connection is closed. */
const MISSED = 3;

/** Ms; makes the timing wheel call `due` at its next step. */
const NEXT_STEP_MS = 1;

/** A frame beyond the rate limit, and the action that processes it once the rate allows. */
interface Held {
  readonly raw: RawFrame;
  readonly run: () => void;
}

/** WebSocket pings and pongs count as frames. */
const CONTROL: RawFrame = { messageType: 'control' };

/** Errors that end the connection, because the decoder cannot find the start of the next frame. */
const FATAL: Partial<Record<ErrorName, CloseName>> = {
  badFrame: 'badFrame',
  frameTooLarge: 'frameTooLarge',
};

/** State machine of one client connection, with its deadlines. FrameReader decodes bytes, and Writer buffers output. */
export class Connection implements Timed, SessionSocket {
  wheelAt = 0;
  state: ConnectionState = 'fresh';
  session: Session | undefined;
  private readonly reader: FrameReader;
  private readonly writer: Writer;
  /** Frames received while the login is in progress; processed once it has succeeded. */
  private early: RawFrame[] = [];
  /** Frames beyond the rate limit, in order. At most one, plus those of `early`; later bytes are not decoded yet. */
  private held: Held[] = [];
  /** When reading was slowed down, ms; 0 while it is not. It is reset only at a wheel step at which no frame waits. */
  private slowedAt = 0;
  private receivedAt: number;
  private pingedAt = -Infinity;

  constructor(
    private readonly socket: Socket,
    private readonly context: ConnectionContext,
    private readonly arrival: Arrival,
    private readonly onGone: () => void,
  ) {
    const { config, flushScheduler, now, wheel } = context;
    this.receivedAt = now();
    this.reader = new FrameReader(config, this.take, this.takeRefused, this.webSocket);
    this.writer = new Writer(socket, config.HZ_WRITE_BUFFER_BYTES, flushScheduler, now, {
      overflow: () => this.close('slowConsumer'),
      blocked: () => this.state !== 'closing' && wheel.arm(this, now() + config.HZ_WRITE_STALL),
      onDrained: () => this.session && this.state === 'open' && this.context.drained(this.session),
    });
    socket.setNoDelay(true);
    socket.on('data', this.read);
    // The socket is paused after a PROXY header.
    socket.resume();
    socket.on('drain', () => this.writer.drained());
    socket.on('end', this.disconnected);
    socket.on('error', this.disconnected);
    socket.on('close', this.gone);
    wheel.arm(this, arrival.at + config.HZ_LOGIN_DEADLINE);
  }

  /** The client network that login limits count for. */
  get clientNetwork(): string {
    return this.arrival.clientNetwork;
  }

  /** Whether more bytes are buffered than a client that keeps up would leave; deliveries then wait for the drain. */
  get isBackpressured(): boolean {
    return this.writer.isBackpressured;
  }

  /** Bytes buffered in this process for the connection. */
  get bufferedBytes(): number {
    return this.writer.bufferedBytes;
  }

  /** Writes one frame, given as JSON text. */
  write(json: string): void {
    if (this.state === 'closing') return;
    this.writer.write(this.reader.encode(json));
  }

  /** Writes a close frame and ends the connection. Bytes written before are still sent if the client reads them. */
  close(name: CloseName, reason?: string): void {
    if (this.state === 'closing') return;
    connectionClosed(this.context.log, name, this.session);
    this.writer.end(this.reader.encodeClose(closeFrame(name, reason), name));
    this.leave();
  }

  due(now: number): number | undefined {
    const { config } = this.context;
    if (this.state === 'closing') {
      this.socket.destroy();
      return undefined;
    }
    if (this.state === 'opening') return now + config.HZ_LOGIN_DEADLINE;
    if (this.slowedAt !== 0) this.goOn(now);
    // Processing held frames may have closed the connection.
    if (!this.isReading) return undefined;
    const [at, name] = this.nearestDeadline();
    if (now < at) return Math.min(this.slowedAt === 0 ? at : now + NEXT_STEP_MS, this.ping(now));
    this.close(name);
    return undefined;
  }

  /**
   * Pings a silent WebSocket. The timers of a hidden page may fire once a minute, too late for heartbeats.
   * The browser still answers pings.
   * @returns when to check again, ms
   */
  private ping(now: number): number {
    if (!this.session || !this.reader.canPing || this.context.config.HZ_WEB_SOCKET_PING === 0) return Infinity;
    const quiet = Math.min(this.context.config.HZ_WEB_SOCKET_PING, this.silence / 2);
    const at = Math.max(this.receivedAt, this.pingedAt) + quiet;
    if (now < at) return at;
    this.pingedAt = now;
    // A blocked socket would delay the ping, so the pong would come too late.
    if (this.writer.blockedAt === 0) this.writer.write(this.reader.ping());
    return now + quiet;
  }

  /** Destroys the socket when the process ends. */
  destroy(): void {
    this.socket.destroy();
  }

  private nearestDeadline(): [at: number, name: CloseName] {
    const { config } = this.context;
    if (!this.session) return [this.arrival.at + config.HZ_LOGIN_DEADLINE, 'loginTimeout'];
    const deadlines: [number, CloseName][] = [
      [this.receivedAt + this.silence, 'heartbeatMissed'],
      [this.session.expiresAt, 'tokenExpired'],
    ];
    if (this.reader.partialAt !== 0) deadlines.push([this.reader.partialAt + config.HZ_FRAME_DEADLINE, 'frameTimeout']);
    // A receipt proves that the client reads, although the socket has not drained yet.
    const movedAt = Math.max(this.writer.blockedAt, this.session.inbox.bytes.movedAt);
    if (this.writer.blockedAt !== 0) deadlines.push([movedAt + config.HZ_WRITE_STALL, 'slowConsumer']);
    return deadlines.reduce((nearest, other) => (other[0] < nearest[0] ? other : nearest));
  }

  /** How long a client may be silent, ms. */
  private get silence(): number {
    const { config } = this.context;
    const version = this.session?.identity.version ?? 0;
    return Math.max(MISSED * heartbeatOf(version, config), config.HZ_HEARTBEAT_MIN);
  }

  private readonly read = (bytes: Buffer): void => {
    this.context.checkWatchdog();
    if (this.state === 'closing') return;
    const { config, now, wheel } = this.context;
    this.receivedAt = now();
    const isWithinBytes = this.reader.countBytes(bytes.length, this.receivedAt);
    try {
      this.reader.read(bytes, this.receivedAt);
      // Reading continues during the login to detect a disconnect. It stops at half the limit, before it is exceeded.
      if (this.state === 'opening' && this.reader.isHalfSpent) this.socket.pause();
    } catch (error) {
      return this.fail(error);
    }
    if (!isWithinBytes) this.slowDown(this.receivedAt);
    if (this.reader.partialAt !== 0) wheel.arm(this, this.reader.partialAt + config.HZ_FRAME_DEADLINE);
  };

  private readonly take = (raw: RawFrame): boolean => {
    if (this.state === 'opening') this.early.push(raw);
    else if (this.isWithinRate(raw)) this.perform(raw);
    else this.hold(raw, () => this.perform(raw));
    return this.isReading;
  };

  /** Refuses a frame whose content is not allowed but whose end is known. During the login it ends the connection. */
  private readonly takeRefused = (error: RefusedContentError): boolean => {
    const { frame } = error;
    if (this.state === 'opening') this.fail(error);
    else if (this.isWithinRate(frame)) this.refuse(frame, error);
    else this.hold(frame, () => this.refuse(frame, error));
    return this.isReading;
  };

  private takeControl(answer: () => void): void {
    if (this.isWithinRate(CONTROL)) answer();
    else this.hold(CONTROL, answer);
  }

  /** A frame is not within the rate while an earlier frame is held, so that order is kept. */
  private isWithinRate(raw: RawFrame): boolean {
    return this.slowedAt === 0 && this.reader.isWithinRate(raw, this.receivedAt);
  }

  private hold(raw: RawFrame, run: () => void): void {
    if (!this.isReading) return;
    this.held.push({ raw, run });
    this.slowDown(this.receivedAt);
  }

  /** Pauses reading until the rate allows it, so that TCP back-pressure slows the client down. */
  private slowDown(now: number): void {
    if (this.slowedAt !== 0 || !this.isReading) return;
    this.slowedAt = now;
    this.socket.pause();
    this.reader.pause(now);
    this.context.wheel.arm(this, now + NEXT_STEP_MS);
  }

  /** Processes held frames as far as the rate allows, and resumes reading when none is left. */
  private goOn(now: number): void {
    const since = this.slowedAt;
    // The gateway paused reading, so this time does not count as silence of the client.
    this.receivedAt = now;
    try {
      if (this.performHeld(now)) {
        this.slowedAt = 0;
        this.reader.resume(now);
      }
    } catch (error) {
      return this.fail(error);
    }
    if (!this.isReading) return;
    if (this.slowedAt === 0) return void this.socket.resume();
    this.slowedAt = since;
    if (now - since >= this.context.config.HZ_RATE_GRACE) this.close('rateLimited');
  }

  /** @returns whether all held frames are processed and no rate is in debt */
  private performHeld(now: number): boolean {
    let done = 0;
    for (const { raw, run } of this.held) {
      if (this.reader.isInDebt(now) || !this.reader.isWithinRate(raw, now)) break;
      done += 1;
      run();
      if (!this.isReading) return false;
    }
    this.held.splice(0, done);
    return this.held.length === 0 && !this.reader.isInDebt(now);
  }

  /** A getter, so that it is re-evaluated after any call that may have closed the connection. */
  private get isReading(): boolean {
    return this.state !== 'closing';
  }

  private perform(raw: RawFrame): void {
    let up: Up;
    try {
      up = readUp(raw, this.state === 'fresh');
    } catch (error) {
      return this.refuse(raw, error);
    }
    framesIn.add(up.type);
    this.carryOut(this.context.perform(this, this.session, up));
  }

  private carryOut(result: Result): void {
    if (result === undefined) return;
    if (!(result instanceof Promise)) return this.apply(result);
    if (this.state === 'fresh') this.state = 'opening';
    result
      .then((outcome) => outcome && this.apply(outcome))
      // This also catches errors thrown while the outcome is applied; no other handler would.
      .catch((error: unknown) => this.fail(error));
  }

  private apply({ frames, close, session }: Outcome): void {
    if (session && this.state === 'closing') return this.context.left(session);
    if (frames) for (const text of frames) this.answer(text);
    if (close) this.close(close);
    else if (session) this.open(session);
  }

  private answer(text: string): void {
    this.write(text);
    // A history page may be large and delay the entries written after it.
    this.session?.inbox.bytes.wroteOther(text.length, this.context.now());
  }

  private open(session: Session): void {
    const { wheel, now, opened } = this.context;
    this.state = 'open';
    this.session = session;
    this.receivedAt = now();
    this.reader.loggedIn(this.receivedAt);
    wheel.arm(this, Math.min(this.nearestDeadline()[0], this.ping(this.receivedAt)));
    opened(session);
    const { early } = this;
    this.early = [];
    for (const raw of early) if (this.take(raw) === false) return;
    if (this.slowedAt === 0) this.socket.resume();
  }

  /** Refuses a complete but invalid frame. A send with an id gets `invalidReceipt`, so that it is not repeated. */
  private refuse(raw: RawFrame, error: unknown): void {
    framesIn.add('refused');
    if (!(error instanceof ProtocolError) || FATAL[error.error]) return this.fail(error);
    if (this.state === 'fresh') {
      this.write(loginRefused(error.error, error.message));
      return this.close('loginFailed');
    }
    if (!this.reader.countWrong(raw, this.receivedAt)) this.slowDown(this.receivedAt);
    const { messageType, clientMsgID, sendTime } = raw;
    const isSend = messageType === 'normal' || messageType === 'createGroup';
    const message = isSend ? echoOf({ clientMsgID, sendTime }) : '';
    const { error: name, message: reason } = error;
    this.write(message === '' ? errorFrame(name, reason, echoOf(raw)) : invalidReceipt(name, reason, message));
  }

  /** Closes this connection after undecodable bytes or an internal error. */
  private fail(error: unknown): void {
    if (!(error instanceof ProtocolError)) {
      connectionFailed(this.context.failures, error);
      return this.close('unavailable');
    }
    if (this.state === 'closing') return;
    this.write(errorFrame(error.error, error.message));
    this.close(FATAL[error.error] ?? 'badFrame');
  }

  private readonly webSocket = (limit: number): WebSocketCodec =>
    new WebSocketCodec(limit, this.context.upgrades, {
      answers: (bytes) => this.writer.write(bytes),
      controlled: (answer) => this.takeControl(answer),
      allowance: () => this.reader.allowance(this.receivedAt),
      forwarded: (address) => (this.arrival.isFromProxy ? this.arrival.attribute(address) : undefined),
      upgraded: (early) => this.reader.upgraded(early),
      failed: (error) => this.fail(error),
      left: () => {
        this.disconnected();
        this.writer.end('');
      },
    });

  /** Ends the session now; the socket ends when the client closes it or after LINGER_MS. */
  private leave(): void {
    const { wheel, now } = this.context;
    this.state = 'closing';
    this.early = [];
    this.held = [];
    this.slowedAt = 0;
    wheel.disarm(this);
    wheel.arm(this, now() + LINGER_MS);
    // Incoming bytes are read and discarded: unread bytes would cause a TCP reset that loses the last frame.
    this.socket.resume();
    if (this.session) this.context.left(this.session);
  }

  private readonly disconnected = (): void => {
    if (this.state === 'closing') return;
    clientLeft(this.context.log, this.session);
    this.leave();
  };

  private readonly gone = (): void => {
    this.disconnected();
    this.reader.end();
    this.context.wheel.disarm(this);
    this.onGone();
  };
}
