/** Final refusal: the message is not and will not be stored. `code` and `error` are from the error table. */
export class SendRefusedError extends Error {
  override readonly name = 'SendRefusedError';

  constructor(
    readonly code: number,
    /** Name in the error table, for example `conflict`. */
    readonly error: string,
    readonly reason: string,
  ) {
    super(`the message was refused: ${error} (${code}): ${reason}`);
  }
}

/**
 * The deadline passed, or the client was closed, before the server answered. The message may be stored. A resend with
 * the same `clientMsgID` or the history shows the outcome.
 */
export class SendUnknownError extends Error {
  override readonly name = 'SendUnknownError';

  constructor(
    readonly clientMsgID: string,
    /** True if it was never written to a connection and is therefore not stored. */
    readonly neverSent: boolean,
    why: string,
  ) {
    super(`${clientMsgID} ${neverSent ? 'was never sent' : 'has an unknown outcome'}: ${why}`);
  }
}

/** The outbox is full of unsettled messages: wait for receipts, then send again. */
export class OutboxFullError extends Error {
  override readonly name = 'OutboxFullError';

  constructor(readonly limit: number) {
    super(`the outbox holds ${limit} unsettled messages already`);
  }
}

/** The `clientMsgID` belongs to an unsettled message with another target or content. */
export class ClientIdInUseError extends Error {
  override readonly name = 'ClientIdInUseError';

  constructor(readonly clientMsgID: string) {
    super(`${clientMsgID} belongs to another unsettled message`);
  }
}

/** The login was refused and a retry cannot help; `code` and `error` are from the error or close table. */
export class LoginRefusedError extends Error {
  override readonly name = 'LoginRefusedError';

  constructor(
    readonly code: number,
    readonly error: string,
    readonly reason: string,
    /** Where to get a newer client, if the version is too old. */
    readonly upgradeURL?: string,
  ) {
    super(`the login was refused: ${error} (${code}): ${reason}`);
  }
}

/**
 * The server answered the WebSocket upgrade with another HTTP status: another service, or an origin that is not
 * allowed.
 */
export class UpgradeRefusedError extends Error {
  override readonly name = 'UpgradeRefusedError';

  constructor(readonly status: number) {
    super(`the server refused the WebSocket: HTTP status ${status}`);
  }

  /** Whether a retry can help: not for a 4xx status, except 408, 425 and 429. */
  get reconnect(): boolean {
    const { status } = this;
    return status < 400 || status >= 500 || status === 408 || status === 425 || status === 429;
  }
}

/** The connection has ended and the client does not reconnect by itself. */
export class ClientClosedError extends Error {
  override readonly name = 'ClientClosedError';

  constructor(readonly why: string) {
    super(`the client is closed: ${why}`);
  }
}

/** A request (history, connect) was not answered in time; it changed nothing and can be repeated. */
export class RequestTimeoutError extends Error {
  override readonly name = 'RequestTimeoutError';

  /** @param cause the failure of the last attempt to connect, if there was one */
  constructor(what: string, ms: number, cause?: Error) {
    const why = cause ? `; the last attempt failed: ${cause.message}` : '';
    super(`${what}: no answer within ${inWords(ms)}${why}`, { cause });
  }
}

/**
 * The server could not be reached. `cause` is the error; `code` is the system's error code (`ECONNREFUSED`), if any.
 */
export class ConnectFailedError extends Error {
  override readonly name = 'ConnectFailedError';
  readonly code: string | undefined;
  /** Readable reason, for example `connection refused`. */
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

/**
 * The server's certificate is from an untrusted authority, for another host name, or outside its validity period. Not
 * in browsers, which do not report this.
 */
export class CertificateError extends Error {
  override readonly name = 'CertificateError';
  /** Node's error code, for example `DEPTH_ZERO_SELF_SIGNED_CERT` or `ERR_TLS_CERT_ALTNAME_INVALID`. */
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
  ENOTFOUND: 'the host name is unknown',
  EAI_AGAIN: 'the host name cannot be resolved at present',
  ECONNRESET: 'the connection was reset',
  ETIMEDOUT: 'no answer',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no route to the network',
  EPROTO: 'the server does not speak TLS',
  ERR_SSL_WRONG_VERSION_NUMBER: 'the server does not speak TLS',
};

function codeOf(error: Error): string | undefined {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : undefined;
}

/** Readable duration: whole milliseconds below a second, then seconds with at most one decimal. */
function inWords(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${Math.round(ms / 100) / 10} s`;
}

/** The server refused a request (not a message), or too many requests were waiting. */
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
