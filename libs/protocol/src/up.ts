import { ProtocolError } from './errors.js';
import { frameReader, own } from './schema.js';
import { Chat, RESERVED_KINDS } from './up/chat.js';
import { CreateGroup } from './up/create-group.js';
import { Heartbeat } from './up/heartbeat.js';
import { History } from './up/history.js';
import { Login } from './up/login.js';
import { Receipt } from './up/receipt.js';

/** Everything a client may send. With `down.ts` this is the whole client protocol on two pages. */
export const upSchemas = {
  login: Login,
  normal: Chat,
  createGroup: CreateGroup,
  receipt: Receipt,
  history: History,
  beat: Heartbeat,
};

export type Up =
  | { type: 'login'; frame: Login }
  | { type: 'normal'; frame: Chat }
  | { type: 'createGroup'; frame: CreateGroup }
  | { type: 'receipt'; frame: Receipt }
  | { type: 'history'; frame: History }
  | { type: 'beat'; frame: Heartbeat };

const readLogin = frameReader(Login);
const readChat = frameReader(Chat);
const readCreateGroup = frameReader(CreateGroup);
const readReceipt = frameReader(Receipt);
const readHistory = frameReader(History);
const readHeartbeat = frameReader(Heartbeat);

/**
 * The frame a decoded object is.
 * @param first whether nothing came before on this connection: only then is an object without `messageType` a login
 * @throws ProtocolError `badField` or `unsupported`
 */
export function readUp(raw: Record<string, unknown>, first: boolean): Up {
  switch (own(raw, 'messageType')) {
    case undefined:
      if (first && own(raw, 'versionCode') !== undefined && own(raw, 'fromUserID') !== undefined)
        return { type: 'login', frame: readLogin(raw) };
      if (own(raw, 'beatID') !== undefined) return { type: 'beat', frame: readHeartbeat(raw) };
      throw new ProtocolError('badField', 'messageType: is missing');
    case 'login':
      return { type: 'login', frame: readLogin(raw) };
    case 'normal':
      return { type: 'normal', frame: checkedChat(readChat(raw)) };
    case 'createGroup':
      return { type: 'createGroup', frame: readCreateGroup(raw) };
    case 'receipt':
      return { type: 'receipt', frame: readReceipt(raw) };
    case 'history': {
      const frame = readHistory(raw);
      targetOf(frame);
      return { type: 'history', frame };
    }
    default:
      throw new ProtocolError('unsupported', 'messageType: is not one this server knows');
  }
}

/** Who a chat frame or history request is about. @throws ProtocolError `badField` when it does not say */
export function targetOf(frame: Pick<Chat, 'chatType' | 'toUserID' | 'groupID'>): string {
  const target = frame.chatType === 'userChat' ? frame.toUserID : frame.groupID;
  if (target !== undefined) return target;
  throw new ProtocolError('badField', `${frame.chatType === 'userChat' ? 'toUserID' : 'groupID'}: is missing`);
}

function checkedChat(frame: Chat): Chat {
  targetOf(frame);
  if (RESERVED_KINDS.has(frame.contenType)) {
    throw new ProtocolError('unsupported', `contenType: "${frame.contenType}" cannot be sent`);
  }
  if (frame.contenType === 'text' && (typeof frame.content.text !== 'string' || frame.content.text === '')) {
    throw new ProtocolError('badField', 'content.text: must be a string that is not empty');
  }
  return frame;
}
