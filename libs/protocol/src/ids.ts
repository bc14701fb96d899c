import { sha256 } from './sha256.js';

/** Maximum lanes per service; a `messageID` has ten bits for the lane. */
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

/** Lane and position of a `messageID`, or undefined if the text is not a messageID. */
export function placeOf(messageID: string): { lane: number; position: number } | undefined {
  if (!ID_PATTERN.test(messageID)) return undefined;
  const id = Number(messageID);
  if (id > Number.MAX_SAFE_INTEGER || id < MAX_LANES) return undefined;
  return { lane: id % MAX_LANES, position: Math.floor(id / MAX_LANES) };
}

/** Joins parts without ambiguity: each is preceded by its length in bytes of UTF-8. */
const joined = (kind: string, parts: string[]): string =>
  kind + parts.map((part) => `:${Buffer.byteLength(part)}:${part}`).join('');

/** Compares by bytes of UTF-8. `<` compares UTF-16 units, which order surrogates differently. */
const isBefore = (one: string, other: string): boolean => Buffer.compare(Buffer.from(one), Buffer.from(other)) < 0;

const hashed = (prefix: string, text: string): string => prefix + sha256(text).subarray(0, 16).toString('base64url');

/** The conversation of two users, independent of their order. A user's pair with itself holds that user's notes. */
export function pairConversation(one: string, other: string): string {
  return hashed('p_', joined('pair', isBefore(one, other) ? [one, other] : [other, one]));
}

export const groupConversation = (groupID: string): string => `g_${groupID}`;

/**
 * The id of a group, derived from its creator and the client id of the request. A repeated `createGroup` therefore
 * names the same group, and its lane is known before anything is stored. Hexadecimal, so it needs no escaping.
 */
export function groupIdOf(creator: string, clientMsgID: string): string {
  return sha256(joined('group', [creator, clientMsgID]))
    .subarray(0, 12)
    .toString('hex');
}

/** FNV-1a over the bytes of UTF-8. It must never change, because gateways and services choose lanes by it. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) return fnv1aOfBytes(Buffer.from(text));
    hash = Math.imul(hash ^ unit, 0x01000193);
  }
  return hash >>> 0;
}

function fnv1aOfBytes(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/** The lane (0 … lanes−1) that orders a conversation. */
export const laneOf = (conversationID: string, lanes: number): number => fnv1a(conversationID) % lanes;

/** The inbox lane (0 … lanes−1) that owns a user. */
export const inboxLaneOf = (userID: string, lanes: number): number => fnv1a(userID) % lanes;

/** Hash of a message's content, 22 base64url characters, compared when a client id is used again. */
export const contentHash = (text: string): string => sha256(text).subarray(0, 16).toString('base64url');
