/** What the owner of an inbox lane knows of one of its users. As committed, but for `next`, which a transaction under way uses. */
export interface User {
  readonly id: string;
  /** The highest `inboxSeq` committed. */
  head: number;
  /** Tokens issued earlier (seconds since 1970) open no session; 0 when none were revoked. */
  tokensValidFrom: number;
  /** By device id, longest unseen first. */
  readonly devices: Map<string, Device>;
  /** Sessions that are told of new entries; of each device at most one. */
  live: Session[];
  /** Touched since the last look of the evictor. */
  used: boolean;
  /** The plan that counts in `next`. */
  plan: number;
  next: number;
}

export interface Device {
  readonly id: string;
  epoch: number;
  /** Everything up to it is receipted. */
  cursor: number;
  /** Sessions of lower epochs were ended by a revocation. */
  revokedEpoch: number;
  /** At its last login entries beyond its cursor were gone. */
  resync: boolean;
  /** What it had to get at its last login. */
  owed: Owed;
  session: Session | undefined;
}

/** What a device has to get, as of a head of its user's inbox: without what it sent itself. */
export interface Owed {
  readonly head: number;
  readonly last: number;
  readonly waiting: number;
}

export const NOTHING: Owed = { head: 0, last: 0, waiting: 0 };

/** What opened a session. */
export interface Login {
  /** Its number at the gateway. */
  readonly number: number;
  /** When it came to the gateway, by `performance.now()` here. */
  readonly began: number;
}

/** A session in a gateway, as the owner of its user knows it. */
export interface Session {
  readonly gateway: string;
  readonly session: number;
  /** Unknown of a session that this owner did not open. */
  readonly login: Login | undefined;
  readonly user: User;
  readonly device: Device;
  readonly epoch: number;
  /** Entries beyond it are told live. */
  readonly from: number;
  /** When it was last spoken of, by `performance.now()`. */
  seenAt: number;
}

export const newUser = (id: string, head: number, tokensValidFrom = 0): User => ({
  id,
  head,
  tokensValidFrom,
  devices: new Map(),
  live: [],
  used: true,
  plan: 0,
  next: head,
});

/** Whether a login with a token issued then (absent: without one) is refused. */
export const isRevoked = (user: User, issuedAt: number | undefined): boolean =>
  issuedAt !== undefined && issuedAt < user.tokensValidFrom;
