/** What the owner of an inbox lane knows of a user. All fields are committed, except `next`, which a plan uses. */
export interface User {
  readonly id: string;
  /** The highest `inboxSeq` committed. */
  head: number;
  /** Tokens issued earlier (seconds since 1970) open no session; 0 when none were revoked. */
  tokensValidFrom: number;
  /** By device id, longest unseen first. */
  readonly devices: Map<string, Device>;
  /** Sessions that get new entries; at most one per device. */
  live: Session[];
  /** Used since the last round of eviction. */
  used: boolean;
  /** Number of the plan that last set `next`. */
  plan: number;
  next: number;
}

export interface Device {
  readonly id: string;
  epoch: number;
  /** Every entry up to it is receipted. */
  cursor: number;
  /** Epoch set by the last revocation: sessions with a lower epoch were ended by it. */
  revokedEpoch: number;
  /** At its last login, entries beyond its cursor had been dropped. */
  resync: boolean;
  /** What the device had to get at its last login. */
  owed: Owed;
  session: Session | undefined;
}

/** What a device has to get, as of a head of its user's inbox: all entries except its own messages. */
export interface Owed {
  readonly head: number;
  readonly last: number;
  readonly waiting: number;
}

export const NOTHING: Owed = { head: 0, last: 0, waiting: 0 };

/** The login that opened a session. */
export interface Login {
  /** Number of the login at its gateway. */
  readonly number: number;
  /** Time at which the login reached the gateway, as `performance.now()` of this process. */
  readonly began: number;
}

/** A session of a gateway, as known to the owner of its user. */
export interface Session {
  readonly gateway: string;
  readonly session: number;
  /** Undefined when this owner did not open the session. */
  readonly login: Login | undefined;
  readonly user: User;
  readonly device: Device;
  readonly epoch: number;
  /** Entries above this `inboxSeq` are delivered live. */
  readonly from: number;
  /** Time of the last open or attach, as `performance.now()`. */
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

/** Whether a login is refused whose token was issued at this time; absent: a login without a token. */
export const isRevoked = (user: User, issuedAt: number | undefined): boolean =>
  issuedAt !== undefined && issuedAt < user.tokensValidFrom;
