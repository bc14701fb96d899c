import { checkClientId, checkIds, checkObject, checkString } from './checks.js';

/** Whom a message is for. */
export type Target = { user: string } | { group: string };

export interface SendOptions {
  /** Default `text`. */
  contenType?: string;
  /** Default: a new random one. Give the same again to resend what an earlier run of the program left unsettled. */
  clientMsgID?: string;
  /** The client's own time stamp, echoed and never interpreted. Default: milliseconds since 1970. */
  sendTime?: string;
  atToUserIDs?: string[];
}

/** The fields that address a frame. */
export function routeOf(target: Target): { chatType: 'userChat' | 'groupChat'; toUserID?: string; groupID?: string } {
  return 'user' in target
    ? { chatType: 'userChat', toUserID: target.user }
    : { chatType: 'groupChat', groupID: target.group };
}

/** `u:<user>` or `g:<group>`: within one of these, order is kept. */
export const laneOfTarget = (target: Target): string => ('user' in target ? `u:${target.user}` : `g:${target.group}`);

/** @throws TypeError that names the option */
export function checkSendOptions(options: SendOptions): void {
  checkObject('the options', options);
  const { contenType, clientMsgID, sendTime, atToUserIDs } = options;
  if (contenType !== undefined) checkString('contenType', contenType);
  if (clientMsgID !== undefined) checkClientId(clientMsgID);
  if (sendTime !== undefined) checkString('sendTime', sendTime);
  if (atToUserIDs !== undefined) checkIds('atToUserIDs', atToUserIDs);
}
