import { ProtocolError } from '../errors.js';

/** Fields that name the conversation of a frame. */
interface Targeted {
  readonly chatType: 'userChat' | 'groupChat';
  readonly toUserID?: string | undefined;
  readonly groupID?: string | undefined;
}

/** The target user or group of a frame. @throws ProtocolError `badField` when the frame names none */
export function targetOf({ chatType, toUserID, groupID }: Targeted): string {
  const target = chatType === 'userChat' ? toUserID : groupID;
  if (target !== undefined) return target;
  throw new ProtocolError('badField', `${chatType === 'userChat' ? 'toUserID' : 'groupID'}: is missing`);
}
