import { sha256 } from './sha256.js';

/** Lanes per service; `messageID` leaves ten bits for the lane. */
export const MAX_LANES = 1024;

/** `position × 1024 + lane` must stay a safe integer: positions 1 … 2^43 − 1 in lanes 0 … 1023. */
const MAX_POSITION = Math.floor(Number.MAX_SAFE_INTEGER / MAX_LANES);

const ID_PATTERN = /^[1-9][0-9]{0,15}$/;

const isWithin = (n: number, first: number, last: number): boolean => Number.isInteger(n) && n >= first && n <= last;

/** The decimal `messageID` of the event at `position` (1, 2, 3 …) of `lane`. */
export function messageIdOf(lane: number, position: number): string {
  const holds = isWithin(position, 1, MAX_POSITION) && isWithin(lane, 0, MAX_LANES - 1);
  if (!holds) throw new RangeError(`position ${position} of lane ${lane} is not what a messageID can hold`);
  return String(position * MAX_LANES + lane);
}

/** The place a `messageID` names, or undefined when the text is not a messageID. */
export function placeOf(messageID: string): { lane: number; position: number } | undefined {
  if (!ID_PATTERN.test(messageID)) return undefined;
  const id = Number(messageID);
  if (id > Number.MAX_SAFE_INTEGER || id < MAX_LANES) return undefined;
  return { lane: id % MAX_LANES, position: Math.floor(id / MAX_LANES) };
}

/** Unambiguous for any parts: each is preceded by its length in UTF-16 units. */
const joined = (kind: string, parts: string[]): string =>
  kind + parts.map((part) => `:${part.length}:${part}`).join('');

const hashed = (prefix: string, text: string): string => prefix + sha256(text).subarray(0, 16).toString('base64url');

/** The conversation of two users, the same from either side. A user's pair with itself is its notes. */
export function pairConversation(one: string, other: string): string {
  return hashed('p_', joined('pair', one < other ? [one, other] : [other, one]));
}

export const groupConversation = (groupID: string): string => `g_${groupID}`;

/**
 * A group's id follows from who creates it with which client id, so that a repeated `createGroup` names the same group
 * and its conversation, hence its lane, is known before anything is stored. Hexadecimal, because it must be an id as
 * clients may send it: base64url begins with `-` or `_` once in 32.
 */
export function groupIdOf(creator: string, clientMsgID: string): string {
  return sha256(joined('group', [creator, clientMsgID]))
    .subarray(0, 12)
    .toString('hex');
}

/** FNV-1a over UTF-16 units. Written in the protocol because gateways and services must agree on it for ever. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** The lane (0 … lanes−1) that orders a conversation. */
export const laneOf = (conversationID: string, lanes: number): number => fnv1a(conversationID) % lanes;

/** The inbox lane (0 … lanes−1) that owns a user. */
export const inboxLaneOf = (userID: string, lanes: number): number => fnv1a(userID) % lanes;

/** 22 base64url characters that stand for a message's content when a client id is used again. */
export const contentHash = (text: string): string => sha256(text).subarray(0, 16).toString('base64url');
