/** The known facts of a run as plain data. Only `Spec` writes them. */

export interface SendSpec {
  /** Number of the message in the run, in the order of first sends. */
  readonly n: number;
  readonly user: string;
  /** Devices that have sent it. The stored copy may come from any of them. */
  readonly devices: Set<DeviceSpec>;
  readonly conversation: ConversationSpec;
  /** Identity of the message across resends: client id, or device, time and content. */
  readonly key: string;
  readonly clientMsgID: string | undefined;
  readonly sendTime: string;
  /** The frame, equal in every send. */
  readonly frame: object;
  /** Unique in the test run, so that a delivery shows its origin. */
  readonly text: string;
  /** Whether the target exists and the sender may write to it. */
  readonly allowed: boolean;
  /** All devices that had logged in when the message was first sent. */
  readonly known: ReadonlySet<DeviceSpec>;
  told: 'nothing' | 'stored' | 'refused';
  /** Its place in the conversation, known from a receipt, a delivery or the history. */
  place: Place | undefined;
}

export interface Place {
  readonly messageID: string;
  readonly seq: number;
  readonly serverTime: string;
}

export interface ConversationSpec {
  readonly name: string;
  readonly users: readonly string[];
  /** Absent for a pair. */
  readonly groupID: string | undefined;
  readonly bySeq: Map<number, SendSpec>;
}

export interface DeviceSpec {
  readonly user: string;
  readonly id: string;
  /** Whether it is the user's first device, which starts with the whole inbox. */
  readonly isFirst: boolean;
  /** The cursor at its first login; undefined before. */
  began: number | undefined;
  /** All deliveries to the device: inboxSeq → messageID. */
  readonly delivered: Map<number, string>;
  /** The entries that it has receipted on the connection of their delivery. */
  readonly receipted: Set<number>;
  /** The server has confirmed all entries up to this one as receipted. */
  confirmed: number;
}

/** The observations of a device on one connection. */
export interface LinkSpec {
  readonly device: DeviceSpec;
  /** The inboxSeq of the last delivery. */
  last: number;
  /** From the loginReceipt: the newest entry for the device, and the number of waiting entries. */
  readonly head: number;
  readonly waiting: number;
  readonly delivered: Map<string, number>;
  readonly seqs: Map<ConversationSpec, number>;
}

export interface DeliveryFrame {
  readonly messageID: string;
  readonly seq: number;
  readonly serverTime: string;
  readonly fromUserID: string;
  readonly inboxSeq?: number;
  readonly prevInboxSeq?: number;
  readonly toUserID?: string;
  readonly groupID?: string;
  readonly clientMsgID?: string;
  readonly content: { readonly text: string };
}
