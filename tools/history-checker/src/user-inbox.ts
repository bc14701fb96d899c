/**
 * The entries of one user's inbox in one generation, as all devices of the user saw them. An entry has the same number
 * on every device.
 */
export class UserInbox {
  /** messageID by inboxSeq. */
  readonly entries = new Map<number, string>();
  private readonly numbers = new Map<string, number>();

  /** @returns the earlier observation that contradicts this one */
  hear(inboxSeq: number, messageID: string): string | undefined {
    const otherID = this.entries.get(inboxSeq) ?? messageID;
    const otherSeq = this.numbers.get(messageID) ?? inboxSeq;
    if (otherID === messageID && otherSeq === inboxSeq) {
      this.entries.set(inboxSeq, messageID);
      this.numbers.set(messageID, inboxSeq);
      return undefined;
    }
    return otherSeq === inboxSeq ? `${inboxSeq} as ${otherID}` : `${messageID} as ${otherSeq}`;
  }
}
