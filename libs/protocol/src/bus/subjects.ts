import type { RevokeReply } from './offline.js';

/**
 * Prefix of the subjects on which a bus user receives replies; no other user may subscribe to them. The name becomes
 * one token.
 */
export const inboxOf = (user: string): string => `hz.reply.${user.replaceAll(/[^\w-]/g, '_') || 'anybody'}`;

/**
 * Every subject of the bus and its payload. No subject is written anywhere else. The server makes the ids in subjects
 * (numbers, instance ids); they never contain text of a user. Permissions: {@link file://./access.ts}.
 */
export const subjects = {
  /** Gateway → the current owner of the lane: {@link SendBatch}. */
  send: (lane: number) => `hz.send.${lane}`,
  /** Gateway → the last announced owner of the lanes: {@link SendBatch}. One message for any number of lanes. */
  sendTo: (owner: string) => `hz.send.to.${owner}`,
  /** Message → one gateway, after the commit: {@link ReceiptBatch}. */
  receipts: (gateway: string) => `hz.receipts.${gateway}`,
  /** Message → every offline instance, after the commit: {@link CommittedEvents} with a body per event. */
  committed: 'hz.committed',
  /**
   * Lane owners → gateways, message and offline: {@link LaneAnnouncement} of a service, at takeover and each second
   * after a change.
   */
  lanes: (service: LaneService) => `hz.lanes.${service}`,
  /**
   * Offline → any message instance (request): {@link LogRangeRequest} or {@link LogGetRequest}, answered by
   * {@link LogReply}.
   */
  log: 'hz.log',
  /** Offline → any message instance (request): {@link MembersRequest}, answered by {@link MembersReply}. */
  members: 'hz.members',
  /**
   * Gateway → any message instance (request): {@link HistoryRequest}, answered by {@link HistoryReply} with a delivery
   * per line.
   */
  history: 'hz.history',
  /** Gateway → the inbox lane's owner (request): {@link OpenRequest}, answered by {@link OpenReply}. */
  open: (inboxLane: number) => `hz.session.open.${inboxLane}`,
  /** Gateway → the inbox lane's owner: {@link AttachBatch}; answered on the gateway's subject. */
  attach: (inboxLane: number) => `hz.session.attach.${inboxLane}`,
  /**
   * Offline → the inbox lane's owner (request): {@link RevokeRequest}, answered by {@link RevokeReply} after the
   * commit.
   */
  revoke: (inboxLane: number) => `hz.session.revoke.${inboxLane}`,
  /** Gateway → the inbox lane's owner: {@link CloseBatch}. */
  close: (inboxLane: number) => `hz.session.close.${inboxLane}`,
  /**
   * Gateway → the inbox lane's owner (request): {@link FetchRequest}, answered by {@link FetchReply} with a delivery
   * per line.
   */
  fetch: (inboxLane: number) => `hz.fetch.${inboxLane}`,
  /** Gateway → the current owner of the inbox lane: {@link CursorBatch}. */
  cursor: (inboxLane: number) => `hz.cursor.${inboxLane}`,
  /** Gateway → the last announced owner of the inbox lanes: {@link CursorBatch}. */
  cursorTo: (owner: string) => `hz.cursor.to.${owner}`,
  /** Responder → one process of a bus user: replies to its requests, with one more token per request. */
  replies: (user: string, instance: string) => `${inboxOf(user)}.${instance}`,
  /** Offline → one gateway: {@link GatewayBatch} with the deliveries it refers to. */
  gateway: (gateway: string) => `hz.gateway.${gateway}`,
} as const;

export type LaneService = 'message' | 'offline';

/**
 * Subjects of control-plane commands: requests that any ready instance of a service answers. The payload types are in
 * {@link ControlCommands}; which service answers a command is in {@link file://./access.ts}.
 */
export const commands = {
  /** {@link EnsureUserCommand} → `{}`: creates the user if it does not exist. */
  ensureUser: 'message.users.ensure',
  /** {@link RevokeCommand} → {@link RevokeReply}: older tokens of the user no longer open or keep a session. */
  revokeTokens: 'offline.tokens.revoke',
} as const;

export interface EnsureUserCommand {
  user: string;
}
export interface RevokeCommand {
  user: string;
}

/** Request and reply of each command. */
export interface ControlCommands {
  ensureUser: { request: EnsureUserCommand; reply: object };
  revokeTokens: { request: RevokeCommand; reply: RevokeReply };
}
export type CommandName = keyof typeof commands & keyof ControlCommands;

/** A control-plane request on the bus. `pattern` repeats the subject; `id` is copied to the answer. */
export interface ControlRequest {
  pattern: string;
  data: unknown;
  id: string;
}

/** The answer to a {@link ControlRequest}: `response` or `err`. */
export interface ControlAnswer {
  id: string;
  isDisposed: true;
  response?: unknown;
  err?: ControlFailure;
}

/**
 * `code` is the name of an error of the protocol. After `unavailable` the caller does not know whether the command ran.
 */
export interface ControlFailure {
  code: string;
  message: string;
}

/**
 * Announcement of an owner about its lanes. `taken`: it has just taken them over, so senders repeat unanswered batches.
 */
export interface LaneAnnouncement {
  owner: string;
  taken: boolean;
  lanes: { lane: number; epoch: number; head: number }[];
  /** Lanes just released: another instance may take them at once. */
  released?: number[];
}
