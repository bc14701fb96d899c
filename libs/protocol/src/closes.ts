/**
 * Why the server ends a connection. The range says what the client does next: 4000–4099 reconnect with back-off,
 * 4500–4599 do not reconnect until something has changed. The same numbers serve as WebSocket close codes.
 */
export interface CloseRow {
  code: number;
  meaning: string;
}

export const closeTable = {
  drain: { code: 4000, meaning: 'This gateway is going away: reconnect, elsewhere if possible.' },
  heartbeatMissed: { code: 4001, meaning: 'Nothing was heard for longer than the heartbeat limit.' },
  unavailable: {
    code: 4002,
    meaning: 'The services behind the gateway did not answer in time, or the device has logged in elsewhere since.',
  },
  slowConsumer: { code: 4003, meaning: 'The connection does not read what is written to it; its buffer is full.' },
  receiptOverdue: { code: 4004, meaning: 'The window stayed full of unreceipted messages for too long.' },
  staleSession: { code: 4005, meaning: 'The gateway was away too long to trust this session.' },
  rateLimited: { code: 4006, meaning: 'More logins than the limits allow, or frames beyond the rate for too long.' },
  tooManyUnanswered: { code: 4007, meaning: 'More unanswered sends than the limit told at login.' },
  frameTimeout: { code: 4008, meaning: 'A frame was begun and not finished in time.' },
  loginTimeout: { code: 4009, meaning: 'No login within the time allowed.' },
  tokenExpired: { code: 4010, meaning: 'The token of this session has expired: fetch a new one, then reconnect.' },
  kicked: { code: 4500, meaning: 'The same device logged in on another connection.' },
  loginFailed: { code: 4501, meaning: 'The login was refused: see the loginReceipt.' },
  upgradeRequired: { code: 4502, meaning: 'This client version is no longer supported.' },
  badFrame: { code: 4503, meaning: 'What was sent is not this protocol.' },
  frameTooLarge: { code: 4504, meaning: 'A frame was larger than the limit.' },
  revoked: { code: 4505, meaning: 'The tokens of this user were revoked: log in with one issued after that.' },
} as const satisfies Record<string, CloseRow>;

export type CloseName = keyof typeof closeTable;

/** True when a client should reconnect (with back-off) after this close. */
export const mayReconnect = (code: number): boolean => code < 4500;
