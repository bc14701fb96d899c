import type { RevokeReply } from './offline.js';

/** Below it come all answers to a user of the bus; nobody else may listen there. The name is made one token. */
export const inboxOf = (user: string): string => `hz.reply.${user.replaceAll(/[^\w-]/g, '_') || 'anybody'}`;

/**
 * Every subject of the bus, with what travels on it. No subject is written anywhere else. Ids in subjects are made by the
 * server (numbers, instance ids); nothing a user chose ever becomes part of one. Who may say and hear them: {@link file://./access.ts}.
 */
export const subjects = {
  /** Gateway → the lane's owner, whoever it is: {@link SendBatch}. */
  send: (lane: number) => `hz.send.${lane}`,
  /** Gateway → the instance that was last heard to own the lanes: {@link SendBatch}. One message, however many lanes. */
  sendTo: (owner: string) => `hz.send.to.${owner}`,
  /** Message → one gateway, after the commit: {@link ReceiptBatch}. */
  receipts: (gateway: string) => `hz.receipts.${gateway}`,
  /** Message → every offline instance, after the commit: {@link NewsHead} with a body per event. */
  committed: 'hz.committed',
  /** Lane owners → everyone: {@link LaneAnnouncement} of a service at takeover, and each second after a change. */
  lanes: (service: LaneService) => `hz.lanes.${service}`,
  /** Offline → any message instance (request): {@link LogRangeRequest} or {@link LogGetRequest}, answered {@link LogReply}. */
  log: 'hz.log',
  /** Offline → any message instance (request): {@link MembersRequest}, answered {@link MembersReply} with an array of user ids per line. */
  members: 'hz.members',
  /** Gateway → any message instance (request): {@link HistoryRequest}, answered {@link HistoryReply} with a delivery per line. */
  history: 'hz.history',
  /** Gateway → the inbox lane's owner (request): {@link OpenRequest}, answered {@link OpenReply}. */
  open: (inboxLane: number) => `hz.session.open.${inboxLane}`,
  /** Gateway → the inbox lane's owner: {@link AttachBatch}; answered on the gateway's subject. */
  attach: (inboxLane: number) => `hz.session.attach.${inboxLane}`,
  /** Offline → the inbox lane's owner (request): {@link RevokeRequest}, answered {@link RevokeReply} once it is stored. */
  revoke: (inboxLane: number) => `hz.session.revoke.${inboxLane}`,
  /** Gateway → the inbox lane's owner: {@link CloseBatch}. */
  close: (inboxLane: number) => `hz.session.close.${inboxLane}`,
  /** Gateway → the inbox lane's owner (request): {@link FetchRequest}, answered {@link FetchReply} with a delivery per line. */
  fetch: (inboxLane: number) => `hz.fetch.${inboxLane}`,
  /** Gateway → the inbox lane's owner, whoever it is: {@link CursorBatch}. */
  cursor: (inboxLane: number) => `hz.cursor.${inboxLane}`,
  /** Gateway → the instance that was last heard to own the inbox lanes: {@link CursorBatch}. */
  cursorTo: (owner: string) => `hz.cursor.to.${owner}`,
  /** Whoever was asked → one process of a user of the bus: answers to its requests, one more token each. */
  replies: (user: string, instance: string) => `${inboxOf(user)}.${instance}`,
  /** Offline → one gateway: {@link GatewayNews} with the deliveries it refers to. */
  gateway: (gateway: string) => `hz.gateway.${gateway}`,
} as const;

export type LaneService = 'message' | 'offline';

/**
 * Subjects of control-plane commands: requests that any ready instance of a service answers. The payload types are in
 * {@link ControlCommands}; which service answers a command is in {@link file://./access.ts}.
 */
export const commands = {
  /** {@link EnsureUserCommand} → `{}`: the user exists from now on. */
  ensureUser: 'message.users.ensure',
  /** {@link RevokeCommand} → {@link RevokeReply}: no older token of the user opens or keeps a session from now on. */
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

/** A control-plane request on the bus. `pattern` is the subject again; `id` is copied to the answer. */
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

/** `code` is the name of an error of the protocol; `unavailable` leaves open whether the command was carried out. */
export interface ControlFailure {
  code: string;
  message: string;
}

/** An owner speaks of its lanes. `taken` is true when it has just taken them over: send again what it left unanswered. */
export interface LaneAnnouncement {
  owner: string;
  taken: boolean;
  lanes: { lane: number; epoch: number; head: number }[];
  /** Lanes just given back: free to take at once. */
  released?: number[];
}
