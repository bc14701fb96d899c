import { checkClientId, checkIds, checkObject, checkString } from './checks.js';

/** Recipient of a message: a user or a group. */
export type Target = { user: string } | { group: string };

export interface SendOptions {
  /** Default `text`. */
  contenType?: string;
  /** Default: a new random id. Pass the same id again to resend a message that an earlier run left unsettled. */
  clientMsgID?: string;
  /** The client's own time stamp; the server echoes it and never interprets it. Default: milliseconds since 1970. */
  sendTime?: string;
  atToUserIDs?: string[];
}

/** The fields that address a frame. */
export function routeOf(target: Target): { chatType: 'userChat' | 'groupChat'; toUserID?: string; groupID?: string } {
  return 'user' in target
    ? { chatType: 'userChat', toUserID: target.user }
    : { chatType: 'groupChat', groupID: target.group };
}

/** `u:<user>` or `g:<group>`: the scope within which order is kept. */
export const laneOfTarget = (target: Target): string => ('user' in target ? `u:${target.user}` : `g:${target.group}`);

/** @throws TypeError that names the invalid option */
export function checkSendOptions(options: SendOptions): void {
  checkObject('the options', options);
  const { contenType, clientMsgID, sendTime, atToUserIDs } = options;
  if (contenType !== undefined) checkString('contenType', contenType);
  if (clientMsgID !== undefined) checkClientId(clientMsgID);
  if (sendTime !== undefined) checkString('sendTime', sendTime);
  if (atToUserIDs !== undefined) checkIds('atToUserIDs', atToUserIDs);
}
