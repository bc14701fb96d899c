/** What is known of a run, as plain data. It is filled by `Spec` and by nobody else. */

export interface SendSpec {
  /** Names it in the run; the order of first sendings. */
  readonly n: number;
  readonly user: string;
  /** Devices that have sent it; the first is not necessarily the one whose copy was stored. */
  readonly devices: Set<DeviceSpec>;
  readonly conversation: ConversationSpec;
  /** What makes a resend the same: client id, or device, time and content. */
  readonly key: string;
  readonly clientMsgID: string | undefined;
  readonly sendTime: string;
  /** As it goes out, each time. */
  readonly frame: object;
  /** Unique in the test run: shows where it came from. */
  readonly text: string;
  /** The target exists and is the sender's to write to. */
  readonly allowed: boolean;
  /** The other users' devices that had logged in when it was first sent. */
  readonly known: ReadonlySet<DeviceSpec>;
  told: 'nothing' | 'stored' | 'refused';
  /** Where it is, once anybody was told. */
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
  /** The user's first: it begins with everything. */
  readonly isFirst: boolean;
  /** Where it began; absent until its first login. */
  began: number | undefined;
  /** Everything it was ever delivered: inboxSeq → messageID. */
  readonly delivered: Map<number, string>;
  /** What it has receipted of that, on the connection it was delivered on. */
  readonly receipted: Set<number>;
  /** The server has said that everything up to here is receipted. */
  confirmed: number;
}

/** What a device sees on one connection. */
export interface LinkSpec {
  readonly device: DeviceSpec;
  /** The entry before the next one. */
  last: number;
  /** What the login told: the newest entry that the device has to get, and how many it has to get. */
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
