/**
 * One row per thing that can be refused. `temporary` rows never say that a message is not stored: send it again with the
 * same `clientMsgID`. Rows that are not temporary mean "is not stored and will not be".
 */
export interface ErrorRow {
  code: number;
  temporary: boolean;
  meaning: string;
}

export const errorTable = {
  badFrame: { code: 1000, temporary: false, meaning: 'The bytes are not one JSON object of a known kind.' },
  frameTooLarge: { code: 1001, temporary: false, meaning: 'The frame is larger than the limit told at login.' },
  tooDeep: { code: 1002, temporary: false, meaning: 'JSON nested deeper than 16 levels.' },
  badText: { code: 1003, temporary: false, meaning: 'A string holds NUL or half of a surrogate pair.' },
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
  loginRequired: { code: 1100, temporary: false, meaning: 'The first frame of a connection is a login.' },
  badToken: { code: 1101, temporary: false, meaning: 'The token is missing, malformed, forged or not for this user.' },
  tokenExpired: { code: 1102, temporary: false, meaning: 'The token has expired: fetch a new one and log in again.' },
  upgradeRequired: { code: 1103, temporary: false, meaning: 'The versionCode is below what this server supports.' },
  tokenRevoked: {
    code: 1104,
    temporary: false,
    meaning: 'The token was issued before the tokens of this user were revoked: get a new one.',
  },
  conflict: { code: 1200, temporary: false, meaning: 'This clientMsgID was used before with other content.' },
  notAllowed: { code: 1201, temporary: false, meaning: 'The target does not exist or is not yours to write to.' },
  unknown: { code: 2000, temporary: true, meaning: 'The outcome is not known: send again with the same clientMsgID.' },
  unavailable: {
    code: 2001,
    temporary: true,
    meaning: 'The service cannot answer just now: send again with the same clientMsgID.',
  },
  resendInOrder: {
    code: 2002,
    temporary: true,
    meaning: 'An earlier message to this conversation is unsettled: send that one again first, so that order is kept.',
  },
} as const satisfies Record<string, ErrorRow>;

export type ErrorName = keyof typeof errorTable;

/** A frame or request that is refused for one of the reasons in {@link errorTable}. */
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
