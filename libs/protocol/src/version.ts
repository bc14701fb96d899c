/**
 * Version of the client protocol, sent as `versionCode` in the login. A test pins the hash of the wire schema to it.
 *
 * 1 — the published iOS client (CocoaAsyncSocket sample): no receipts, no JSON arrays, a heartbeat each second.
 * 2 — receipts, offline batches as JSON arrays, clientMsgID, groups, history. Added since: base64 lines, binary frames
 * and WebSocket, with the same frames (a mode does not belong to a version); tokens as long as the login frame allows;
 * ids of up to 255 printable characters.
 */
export const PROTOCOL_VERSION = 2;

/** Oldest supported version; the gateway answers an older login with `upgradeRequired`. */
export const OLDEST_VERSION = 1;

/**
 * Values of `contenType` that a client of version 1 can show, as the published client spells them. The table "The words
 * of version 1" in docs/clients/ios.md names the source of each; a test compares the two.
 */
export const KINDS_OF_VERSION_1: ReadonlySet<string> = new Set([
  'text',
  'audio',
  'picture',
  'video',
  'file',
  'tip',
  'repeal',
]);
