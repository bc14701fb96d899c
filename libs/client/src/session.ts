import {
  closeTable,
  mayReconnect,
  type CloseFrame,
  type Down,
  type ErrorFrame,
  type LoginReceipt,
} from '@huizhi/protocol/client';
import { describe } from './checks.js';
import { CertificateError, ConnectFailedError, UpgradeRefusedError } from './errors.js';
import { Heartbeat } from './heartbeat.js';
import { Deadline } from './late.js';
import type { Settings } from './settings.js';
import type { Connection, Transport } from './transport.js';

/** Why a connection ended. `code` is 0 without a close frame from the server. */
export interface SessionEnd {
  code: number;
  name: string;
  reason: string;
  /** Whether a retry can help. */
  reconnect: boolean;
  /** Delay before the reconnect that the server requested, in milliseconds. */
  retryAfter?: number;
  error?: Error;
  upgradeURL?: string;
}

export interface SessionHandlers {
  onLoggingIn(): void;
  onOnline(receipt: LoginReceipt): void;
  /** Every frame except loginReceipt, heartbeat and close. Only while online. */
  onFrame(frame: Down): void;
  /** `inboxSeq` of the newest entry, from the answer to a heartbeat. */
  onHead(inboxSeq: number): void;
  /** Called once, as the last call. */
  onEnd(end: SessionEnd): void;
}

/** First temporary code of the error table. */
const TEMPORARY_FROM = 2000;
/** Range of close codes, including those of later versions. */
const FIRST_CLOSE = 4000;
const LAST_CLOSE = 4599;

/** One connection: connect, log in, send heartbeats, end. It is not reused; the reconnector creates the next one. */
export class Session {
  private readonly connection: Connection;
  private phase: 'connecting' | 'loggingIn' | 'online' | 'over' = 'connecting';
  /** Deadline of connecting, then of logging in. */
  private readonly deadline = new Deadline();
  private heartbeat: Heartbeat | undefined;
  private beatID = 0;
  private end: SessionEnd | undefined;

  constructor(
    private readonly settings: Settings,
    transport: Transport,
    private readonly handlers: SessionHandlers,
  ) {
    this.deadline.set(settings.timings.connectMs, () => this.drop('connectTimeout', 'no connection in time'));
    this.connection = this.dial(transport);
  }

  private dial(transport: Transport): Connection {
    try {
      return transport({
        onOpen: () => void this.logIn(),
        onFrame: (frame) => {
          if (this.phase !== 'over') this.guarded(frame as Down);
        },
        onClose: (error, code) => this.over(error, code),
      });
    } catch (cause) {
      // A retry cannot help (a `ca` that is not PEM, a page that may not use ws://).
      const error = new ConnectFailedError(this.settings.server, asError(cause));
      this.end = { code: 0, name: 'connectFailed', reason: error.message, reconnect: false, error };
      // The constructor must return before onEnd is called.
      queueMicrotask(() => this.over(undefined));
      return { send: () => undefined, end: () => undefined, destroy: () => undefined };
    }
  }

  send(frame: object): void {
    this.sendText(JSON.stringify(frame));
  }

  /** @param json text of one frame */
  sendText(json: string): void {
    if (this.phase === 'online') this.connection.send(json);
  }

  /** Checks quickly whether the connection is alive; see {@link Heartbeat.check}. */
  check(): void {
    this.heartbeat?.check();
  }

  /** Ends the connection after all sent frames are written. */
  finish(name: string): void {
    this.end ??= { code: 0, name, reason: 'closed by this client', reconnect: false };
    this.connection.end();
  }

  /** Ends the connection and reports the end at once. */
  drop(name: string, reason: string): void {
    this.end ??= { code: 0, name, reason, reconnect: true };
    this.connection.destroy();
    this.over(undefined);
  }

  private async logIn(): Promise<void> {
    if (this.phase !== 'connecting') return;
    this.phase = 'loggingIn';
    this.deadline.set(this.settings.timings.loginMs, () => this.drop('loginTimeout', 'no login in time'));
    this.handlers.onLoggingIn();
    const { user, deviceID, deviceType, versionCode } = this.settings;
    try {
      const token = await this.settings.token();
      if (typeof token !== 'string') {
        const error = new TypeError(`the token callback must give a string, not ${describe(token)}`);
        return this.tokenFailed(error, false);
      }
      // The session may have ended while the token was fetched.
      if ((this.phase as string) !== 'loggingIn') return;
      this.connection.send(
        JSON.stringify({ messageType: 'login', fromUserID: user, deviceID, deviceType, versionCode, token }),
      );
    } catch (error) {
      this.tokenFailed(asError(error), true);
    }
  }

  private tokenFailed(error: Error, reconnect: boolean): void {
    this.end ??= { code: 0, name: 'tokenFailed', reason: 'the token callback failed', reconnect, error };
    this.connection.destroy();
  }

  /** Processes a frame. An error in it ends this connection, never the process. */
  private guarded(frame: Down): void {
    try {
      this.read(frame);
    } catch (error) {
      this.end ??= {
        code: 0,
        name: 'badFrame',
        reason: 'a frame could not be read',
        reconnect: true,
        error: asError(error),
      };
      this.connection.destroy();
    }
  }

  private read(frame: Down): void {
    this.heartbeat?.heard();
    if (Array.isArray(frame) || !('messageType' in frame)) {
      if (!Array.isArray(frame) && 'beatID' in frame) {
        this.heartbeat?.answered();
        this.handlers.onHead(frame.inboxSeq);
      } else this.deliver(frame);
    } else if (frame.messageType === 'loginReceipt') this.answered(frame);
    else if (frame.messageType === 'close') this.refused(frame);
    else this.deliver(frame);
  }

  private deliver(frame: Down): void {
    if (this.phase === 'online') return this.handlers.onFrame(frame);
    if (!Array.isArray(frame) && 'messageType' in frame && frame.messageType === 'error') this.refused(frame);
  }

  private answered(receipt: LoginReceipt): void {
    if (this.phase !== 'loggingIn') return;
    if (receipt.code !== 0) return this.refused(receipt);
    this.phase = 'online';
    this.deadline.clear();
    this.heartbeat = new Heartbeat(this.settings.timings.heartbeatMs ?? (receipt.heartbeat ?? 20) * 1000, {
      beat: () => this.connection.send(JSON.stringify({ beatID: String(++this.beatID) })),
      silent: () => this.drop('heartbeatMissed', 'the server is silent'),
    });
    this.handlers.onOnline(receipt);
  }

  /** Records why the server ends the connection; the server closes it next. */
  private refused(frame: LoginReceipt | CloseFrame | ErrorFrame): void {
    const reconnect = frame.messageType === 'close' ? frame.reconnect : frame.code >= TEMPORARY_FROM;
    // A loginReceipt has more details than the close after it, except `retryAfter`.
    this.end ??= {
      code: frame.code,
      name: frame.name ?? 'refused',
      reason: frame.reason ?? '',
      reconnect,
      upgradeURL: frame.messageType === 'loginReceipt' ? frame.upgradeURL : undefined,
    };
    if (frame.messageType === 'close') this.end.retryAfter ??= frame.retryAfter;
    this.connection.end();
  }

  private over(error: Error | undefined, code = 0): void {
    if (this.phase === 'over') return;
    const was = this.phase;
    this.phase = 'over';
    this.deadline.clear();
    this.heartbeat?.stop();
    this.handlers.onEnd(this.end ?? closeOf(code) ?? refusal(error) ?? this.lost(was === 'connecting', error));
  }

  private lost(wasConnecting: boolean, error: Error | undefined): SessionEnd {
    const why = error && wasConnecting ? new ConnectFailedError(this.settings.server, error) : error;
    return {
      code: 0,
      name: wasConnecting ? 'connectFailed' : 'connectionLost',
      reason: why?.message ?? 'the server ended the connection',
      reconnect: true,
      error: why,
    };
  }
}

/** The end from a close code of the transport (WebSocket); usually a close frame has already reported it. */
function closeOf(code: number): SessionEnd | undefined {
  if (code < FIRST_CLOSE || code > LAST_CLOSE) return undefined;
  const name = Object.entries(closeTable).find(([, row]) => row.code === code)?.[0] ?? 'closed';
  return { code, name, reason: 'the server ended it', reconnect: mayReconnect(code) };
}

/** The end of a connection that never opened, if the cause is known. */
function refusal(error: Error | undefined): SessionEnd | undefined {
  if (error instanceof UpgradeRefusedError) {
    return { code: 0, name: 'upgradeRefused', reason: error.message, reconnect: error.reconnect, error };
  }
  if (error instanceof CertificateError) {
    return { code: 0, name: 'certificateRefused', reason: error.message, reconnect: false, error };
  }
  return undefined;
}

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));
