/** The server refused the message for good: it is not stored and will not be. `code` and `name` are of the error table. */
export class SendRefusedError extends Error {
  override readonly name = 'SendRefusedError';

  constructor(
    readonly code: number,
    /** The row of the error table, for example `conflict`. */
    readonly error: string,
    readonly reason: string,
  ) {
    super(`the message was refused: ${error} (${code}): ${reason}`);
  }
}

/**
 * The deadline passed, or the client was closed, before the server answered. The message may be stored: only a resend
 * with the same `clientMsgID`, or the history, tells.
 */
export class SendUnknownError extends Error {
  override readonly name = 'SendUnknownError';

  constructor(
    readonly clientMsgID: string,
    /** True when it was never written to a connection: then it is certainly not stored. */
    readonly neverSent: boolean,
    why: string,
  ) {
    super(`the outcome of ${clientMsgID} is ${neverSent ? 'that it was never sent' : 'not known'}: ${why}`);
  }
}

/** The outbox holds as many unsettled messages as it may; wait for receipts, then send again. */
export class OutboxFullError extends Error {
  override readonly name = 'OutboxFullError';

  constructor(readonly limit: number) {
    super(`the outbox holds ${limit} unsettled messages already`);
  }
}

/** The same `clientMsgID` is still unsettled in the outbox with another target or content. */
export class ClientIdInUseError extends Error {
  override readonly name = 'ClientIdInUseError';

  constructor(readonly clientMsgID: string) {
    super(`${clientMsgID} belongs to another message that is not settled yet`);
  }
}

/** The login was refused and trying again would not help; `code` and `error` are of the error or close table. */
export class LoginRefusedError extends Error {
  override readonly name = 'LoginRefusedError';

  constructor(
    readonly code: number,
    readonly error: string,
    readonly reason: string,
    /** Where to get a newer client, when that is the reason. */
    readonly upgradeURL?: string,
  ) {
    super(`the login was refused: ${error} (${code}): ${reason}`);
  }
}

/** The server answered the WebSocket's request with an HTTP status of its own: another service, or an origin it does not let in. */
export class UpgradeRefusedError extends Error {
  override readonly name = 'UpgradeRefusedError';

  constructor(readonly status: number) {
    super(`the server refused the WebSocket: HTTP status ${status}`);
  }

  /** Whether trying again can help: not when the request itself is what it minds. */
  get reconnect(): boolean {
    const { status } = this;
    return status < 400 || status >= 500 || status === 408 || status === 425 || status === 429;
  }
}

/** The connection is over and the client does not reconnect by itself. */
export class ClientClosedError extends Error {
  override readonly name = 'ClientClosedError';

  constructor(readonly why: string) {
    super(`the client is closed: ${why}`);
  }
}

/** A request (history, connect) was not answered in time; it changed nothing and can be repeated. */
export class RequestTimeoutError extends Error {
  override readonly name = 'RequestTimeoutError';

  /** @param cause why the last attempt to connect failed, if one did */
  constructor(what: string, ms: number, cause?: Error) {
    const why = cause ? `; the last attempt failed: ${cause.message}` : '';
    super(`${what}: no answer within ${inWords(ms)}${why}`, { cause });
  }
}

/** The server could not be reached: `cause` is the error, `code` the system's error code (`ECONNREFUSED`), if there is one. */
export class ConnectFailedError extends Error {
  override readonly name = 'ConnectFailedError';
  readonly code: string | undefined;
  /** In words: `connection refused`. */
  readonly reason: string;

  constructor(
    /** `host:port`. */
    readonly server: string,
    cause: Error,
  ) {
    const code = codeOf(cause);
    const reason = reachErrors[code ?? ''] ?? cause.message;
    super(`cannot connect to ${server}: ${reason}`, { cause });
    this.code = code;
    this.reason = reason;
  }
}

/** The server's certificate is not of a trusted authority, not for this host name, or out of its time. Not in browsers, which do not say so. */
export class CertificateError extends Error {
  override readonly name = 'CertificateError';
  /** Node's, for example `DEPTH_ZERO_SELF_SIGNED_CERT` or `ERR_TLS_CERT_ALTNAME_INVALID`. */
  readonly code: string;

  constructor(
    /** `host:port`. */
    readonly server: string,
    cause: Error,
  ) {
    super(`the certificate of ${server} is not accepted: ${cause.message}`, { cause });
    this.code = codeOf(cause) ?? '';
  }
}

const reachErrors: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ENOTFOUND: 'the host name is not known',
  EAI_AGAIN: 'the host name cannot be looked up now',
  ECONNRESET: 'the connection was reset',
  ETIMEDOUT: 'no answer',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no route to the network',
  EPROTO: 'what answers there does not speak TLS',
  ERR_SSL_WRONG_VERSION_NUMBER: 'what answers there does not speak TLS',
};

function codeOf(error: Error): string | undefined {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : undefined;
}

/** A time as one reads it: whole milliseconds below a second, then seconds with at most one decimal. */
function inWords(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${Math.round(ms / 100) / 10} s`;
}

/** The server refused a request (not a message), or too many were waiting. */
export class RequestRefusedError extends Error {
  override readonly name = 'RequestRefusedError';

  constructor(
    readonly code: number,
    readonly error: string,
    readonly reason: string,
  ) {
    super(`refused: ${error} (${code}): ${reason}`);
  }
}
