import { ProtocolError } from '../errors.js';

/** The fields that name the conversation a frame is about. */
interface Targeted {
  readonly chatType: 'userChat' | 'groupChat';
  readonly toUserID?: string | undefined;
  readonly groupID?: string | undefined;
}

/** The user or group a frame is about. @throws ProtocolError `badField` when the frame does not say */
export function targetOf({ chatType, toUserID, groupID }: Targeted): string {
  const target = chatType === 'userChat' ? toUserID : groupID;
  if (target !== undefined) return target;
  throw new ProtocolError('badField', `${chatType === 'userChat' ? 'toUserID' : 'groupID'}: is missing`);
}
