/**
 * What the devices of one user were given, all of them together, while the server's data was of one generation: an entry has one
 * number, whichever device it comes to.
 */
export class UserInbox {
  /** messageID by inboxSeq. */
  readonly entries = new Map<number, string>();
  private readonly numbers = new Map<string, number>();

  /** @returns what was heard before and does not agree with it */
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
