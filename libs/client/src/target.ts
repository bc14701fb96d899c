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
