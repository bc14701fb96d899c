/**
 * One row per reason for a refusal. After a `temporary` error a message may be stored or not: the client sends it again
 * with the same `clientMsgID`. Other errors are final: the message is not and will not be stored.
 */
export interface ErrorRow {
  code: number;
  temporary: boolean;
  meaning: string;
}

export const errorTable = {
  badFrame: { code: 1000, temporary: false, meaning: 'The bytes are not a valid frame of one JSON object.' },
  frameTooLarge: {
    code: 1001,
    temporary: false,
    meaning: 'The frame is larger than `limits.frameBytes` of the loginReceipt.',
  },
  tooDeep: { code: 1002, temporary: false, meaning: 'JSON nested deeper than 16 levels.' },
  badText: { code: 1003, temporary: false, meaning: 'A string contains NUL or an unpaired surrogate.' },
  badField: {
    code: 1004,
    temporary: false,
    meaning: 'A field is missing, of the wrong type, out of range or reserved.',
  },
  unsupported: {
    code: 1005,
    temporary: false,
    meaning: 'This server does not know this message type or content kind.',
  },
  loginRequired: { code: 1100, temporary: false, meaning: 'The first frame of a connection must be a login.' },
  badToken: { code: 1101, temporary: false, meaning: 'The token is missing, malformed, forged or not for this user.' },
  tokenExpired: { code: 1102, temporary: false, meaning: 'The token has expired: fetch a new one and log in again.' },
  upgradeRequired: { code: 1103, temporary: false, meaning: 'The versionCode is below what this server supports.' },
  tokenRevoked: {
    code: 1104,
    temporary: false,
    meaning: 'The token was issued before the tokens of this user were revoked: get a new one.',
  },
  conflict: { code: 1200, temporary: false, meaning: 'This clientMsgID was used before with other content.' },
  notAllowed: { code: 1201, temporary: false, meaning: 'The target does not exist, or the user may not write to it.' },
  unknown: { code: 2000, temporary: true, meaning: 'The outcome is unknown: send again with the same clientMsgID.' },
  unavailable: {
    code: 2001,
    temporary: true,
    meaning: 'The service is temporarily unavailable: send again with the same clientMsgID.',
  },
  resendInOrder: {
    code: 2002,
    temporary: true,
    meaning: 'An earlier message to this conversation is unsettled: send that one again first, to keep the order.',
  },
} as const satisfies Record<string, ErrorRow>;

export type ErrorName = keyof typeof errorTable;

/** Refusal of a frame or request for a reason in {@link errorTable}. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
  readonly code: number;

  constructor(
    readonly error: ErrorName,
    reason: string,
  ) {
    super(reason);
    this.code = errorTable[error].code;
  }
}
