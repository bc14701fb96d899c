export * from './bus/access.js';
export * from './bus/lines.js';
export * from './bus/message.js';
export * from './bus/offline.js';
export * from './bus/subjects.js';
export * from './closes.js';
export { Base64LinesDecoder, encodeBase64Line } from './codec/base64-lines.js';
export { canonicalJson } from './codec/canonical.js';
export {
  FrameDecoder,
  fromClient,
  fromServer,
  MAX_SERVER_FRAME_BYTES,
  type Decoder,
  type OnFrame,
  type OnRefused,
  type Side,
} from './codec/decoder.js';
export * from './codec/hz.js';
export * from './codec/json-lines.js';
export * from './codec/json.js';
export * from './codec/mode.js';
export * from './down.js';
export * from './errors.js';
export * from './frames.js';
export * from './ids.js';
export { serverUrlOf, serverUrlProblem, type ServerParts } from './server-url.js';
export { idBytes, idProblem, isUserID, MAX_ID_LENGTH } from './id-rule.js';
export {
  clientCommands,
  commandOf,
  isQuiet,
  readUp,
  upSchemas,
  type CommandType,
  type FrameOf,
  type TypeOf,
  type Up,
} from './up.js';
export type { Command, CommandClass } from './up/command.js';
export { targetOf } from './up/target.js';
export type { Chat } from './up/chat.js';
export type { CreateGroup } from './up/create-group.js';
export type { Heartbeat } from './up/heartbeat.js';
export type { History } from './up/history.js';
export type { Login } from './up/login.js';
export type { Receipt } from './up/receipt.js';
export * from './version.js';
