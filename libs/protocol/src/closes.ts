/**
 * Reasons for which the server closes a connection. The range tells the client what to do: 4000–4099 reconnect with
 * back-off, 4500–4599 do not reconnect until the cause is removed. The same numbers serve as WebSocket close codes.
 */
export interface CloseRow {
  code: number;
  meaning: string;
}

export const closeTable = {
  drain: { code: 4000, meaning: 'This gateway shuts down: reconnect, to another gateway if possible.' },
  heartbeatMissed: { code: 4001, meaning: 'The gateway received nothing for three heartbeat intervals.' },
  unavailable: {
    code: 4002,
    meaning: 'The services behind the gateway did not answer in time, or the device has since logged in elsewhere.',
  },
  slowConsumer: { code: 4003, meaning: 'The client reads too slowly: the write buffer of the connection is full.' },
  receiptOverdue: { code: 4004, meaning: 'The window was full of unreceipted messages for too long.' },
  staleSession: { code: 4005, meaning: 'The gateway process was suspended for too long to keep this session.' },
  rateLimited: { code: 4006, meaning: 'Too many logins, or frames above the rate limit for too long.' },
  tooManyUnanswered: {
    code: 4007,
    meaning: 'More unanswered sends than `limits.unansweredSends` of the loginReceipt.',
  },
  frameTimeout: { code: 4008, meaning: 'A frame that had begun was not complete in time.' },
  loginTimeout: { code: 4009, meaning: 'No login arrived in time.' },
  tokenExpired: { code: 4010, meaning: 'The token of this session has expired: fetch a new one, then reconnect.' },
  kicked: { code: 4500, meaning: 'The same device logged in on another connection.' },
  loginFailed: { code: 4501, meaning: 'The login was refused: see the loginReceipt.' },
  upgradeRequired: { code: 4502, meaning: 'This client version is no longer supported.' },
  badFrame: { code: 4503, meaning: 'The bytes received are not a valid frame of this protocol.' },
  frameTooLarge: { code: 4504, meaning: 'A frame was larger than the limit.' },
  revoked: { code: 4505, meaning: 'The tokens of this user were revoked: log in with a token issued later.' },
} as const satisfies Record<string, CloseRow>;

export type CloseName = keyof typeof closeTable;

/** True when a client should reconnect (with back-off) after this close. */
export const mayReconnect = (code: number): boolean => code < 4500;
