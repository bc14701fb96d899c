import { errorTable, type Down, type LoginReceipt } from '@huizhi/protocol/client';
import { fullJitter } from './backoff.js';
import type { ClientState } from './client-events.js';
import {
  CertificateError,
  ClientClosedError,
  ConnectFailedError,
  LoginRefusedError,
  RequestTimeoutError,
} from './errors.js';
import type { Settings } from './settings.js';
import { Session, type SessionEnd } from './session.js';
import type { Transport } from './transport.js';
import type { WakeSignals } from './wake.js';

/** Maximum delay in ms of a connect after a wake signal, so that devices of one network do not reconnect together. */
const WAKE_JITTER_MS = 1_000;

export interface LinkHandlers {
  onState(state: ClientState): void;
  onOnline(receipt: LoginReceipt): void;
  onFrame(frame: Down): void;
  onHead(inboxSeq: number): void;
  /** A connection ended. */
  onEnd(end: SessionEnd, wasOnline: boolean, reconnect: boolean): void;
}

interface Waiter {
  /** Reject at the first attempt that fails. */
  failFast: boolean;
  resolve(): void;
  reject(error: Error): void;
}

/** Keeps one session open: after a session has ended for a reason that allows it, opens the next one with back-off. */
export class Reconnector {
  session: Session | undefined;
  state: ClientState = 'offline';
  private wanted = false;
  private network = true;
  private attempt = 0;
  private onlineSince: number | undefined;
  /** A new token was requested after an expired one; a second refusal in a row is final. */
  private freshTokenTried = false;
  private retry: ReturnType<typeof setTimeout> | undefined;
  /**
   * Due time of the retry, and the time that the server requested, if it did (otherwise 0). On the clock of
   * `performance.now()` in ms.
   */
  private retryAt = 0;
  private wishedAt = 0;
  private endWakeSignals: (() => void) | undefined;
  /** Failure of the last attempt to connect. */
  private lastFailure: Error | undefined;
  /** A login was accepted since `connect()` was called. */
  private everOnline = false;
  private waiters = new Set<Waiter>();
  private closers: (() => void)[] = [];

  constructor(
    private readonly settings: Settings,
    private readonly transport: Transport,
    private readonly handlers: LinkHandlers,
    private readonly wakeSignals?: WakeSignals,
  ) {}

  /** @param timeoutMs may be Infinity */
  connect(timeoutMs: number, failFast = false): Promise<void> {
    if (this.state === 'online') return Promise.resolve();
    const promise = new Promise<void>((resolve, reject) => {
      const expire = (): void => settle(() => reject(new RequestTimeoutError('connect', timeoutMs, this.lastFailure)));
      const timer = timeoutMs === Infinity ? undefined : setTimeout(expire, timeoutMs);
      const settle = (how: () => void): void => {
        clearTimeout(timer);
        this.waiters.delete(waiter);
        how();
      };
      const waiter: Waiter = {
        failFast,
        resolve: () => settle(resolve),
        reject: (error: Error) => settle(() => reject(error)),
      };
      this.waiters.add(waiter);
    });
    if (!this.wanted) {
      this.want();
      this.attempt = 0;
      this.freshTokenTried = this.everOnline = false;
      this.lastFailure = undefined;
      if (!this.session) this.setState('offline');
    }
    this.start();
    return promise;
  }

  /** Resolves when the socket is closed. */
  close(): Promise<void> {
    this.unwant();
    this.cancelRetry();
    this.rejectAll(new ClientClosedError('it was closed'));
    if (!this.session) {
      this.setState('closed');
      return Promise.resolve();
    }
    const { session } = this;
    return new Promise((resolve) => {
      this.closers.push(resolve);
      session.finish('closed');
    });
  }

  networkLost(): void {
    this.network = false;
    this.cancelRetry();
    this.session?.drop('networkLost', 'the device has no network');
  }

  networkBack(): void {
    this.network = true;
    this.attempt = 0;
    this.cancelRetry();
    this.start();
  }

  /** Checks the connection or retries soon, because timers may have been delayed or the network may have changed. */
  private wake(): void {
    if (this.session) return this.session.check();
    if (this.retry === undefined) return;
    const now = performance.now();
    const soon = Math.max(now + Math.random() * WAKE_JITTER_MS, this.wishedAt);
    this.scheduleRetry(Math.min(soon, this.retryAt) - now);
  }

  private want(): void {
    this.wanted = true;
    this.endWakeSignals ??= this.wakeSignals?.(() => this.wake());
  }

  private unwant(): void {
    this.wanted = false;
    this.endWakeSignals?.();
    this.endWakeSignals = undefined;
  }

  private scheduleRetry(delayMs: number): void {
    clearTimeout(this.retry);
    this.retryAt = performance.now() + delayMs;
    this.retry = setTimeout(() => {
      this.retry = undefined;
      this.start();
    }, delayMs);
  }

  private cancelRetry(): void {
    clearTimeout(this.retry);
    this.retry = undefined;
  }

  private start(): void {
    if (!this.wanted || !this.network || this.session || this.retry) return;
    this.onlineSince = undefined;
    const session = new Session(this.settings, this.transport, {
      onLoggingIn: () => this.setState('loggingIn'),
      onOnline: (receipt) => {
        this.onlineSince = performance.now();
        this.freshTokenTried = false;
        this.everOnline = true;
        this.lastFailure = undefined;
        this.handlers.onOnline(receipt);
        if (this.session !== session) return;
        this.setState('online');
        for (const waiter of [...this.waiters]) waiter.resolve();
      },
      onFrame: (frame) => this.handlers.onFrame(frame),
      onHead: (inboxSeq) => this.handlers.onHead(inboxSeq),
      onEnd: (end) => this.ended(end),
    });
    this.session = session;
    this.setState('connecting');
  }

  private ended(end: SessionEnd): void {
    const { onlineSince } = this;
    this.session = undefined;
    if (onlineSince !== undefined && performance.now() - onlineSince >= this.settings.timings.stableMs)
      this.attempt = 0;
    // This is the error code, not the close of that name: a session that lasted until its token expired did not log in
    // with an expired token.
    const expired = end.code === errorTable.tokenExpired.code && !this.freshTokenTried;
    if (expired) this.freshTokenTried = true;
    const mayTry = end.reconnect || expired || this.mayPass(end);
    this.lastFailure = end.error ?? new Error(`${end.name}: ${end.reason}`);
    const reconnect = this.wanted && mayTry;
    if (!mayTry) this.unwant();
    // Set before the events, so that a listener that calls connect() sees the new state.
    this.state = reconnect ? 'offline' : 'closed';
    if (reconnect && this.network) this.scheduleRetry(this.delay(end));
    this.handlers.onEnd(mayTry ? { ...end, reconnect: true } : end, onlineSince !== undefined, reconnect);
    this.handlers.onState(this.state);
    if (!reconnect) this.rejectAll(finalError(end));
    else if (end.code === 0 && onlineSince === undefined) this.rejectFailFast(end);
    for (const closer of this.closers.splice(0)) closer();
  }

  /**
   * Whether a refused certificate may be temporary. It was valid before, so a captive portal may interfere, or the
   * operator will renew it.
   */
  private mayPass({ error }: SessionEnd): boolean {
    return this.everOnline && error instanceof CertificateError;
  }

  private rejectAll(error: Error): void {
    for (const waiter of [...this.waiters]) waiter.reject(error);
  }

  private rejectFailFast({ error, reason }: SessionEnd): void {
    const failure = error ?? new ConnectFailedError(this.settings.server, new Error(reason));
    for (const waiter of [...this.waiters]) if (waiter.failFast) waiter.reject(failure);
  }

  /**
   * Delay before the next attempt. The server's `retryAfter` replaces the first delay, so that the server can spread
   * reconnects. Later it can only lengthen a delay.
   */
  private delay({ retryAfter }: SessionEnd): number {
    const { reconnect } = this.settings.timings;
    const attempt = this.attempt++;
    const own = fullJitter(reconnect, attempt);
    this.wishedAt = 0;
    if (retryAfter === undefined) return own;
    const wish = Math.min(retryAfter, reconnect.maxMs);
    this.wishedAt = performance.now() + wish;
    return attempt === 0 ? wish : Math.max(own, wish);
  }

  private setState(state: ClientState): void {
    if (this.state === state) return;
    this.state = state;
    this.handlers.onState(state);
  }
}

/** Error of `connect()` when the client does not retry. */
function finalError({ code, name, reason, upgradeURL, error }: SessionEnd): Error {
  if (code !== 0) return new LoginRefusedError(code, name, reason, upgradeURL);
  return error ?? new ClientClosedError(name);
}
