/** Content of a chat, independent of its presentation. */

export type OwnState = 'sending' | 'stored' | 'refused' | 'unknown';

/** A message of this user, from the moment it was typed. */
export interface OwnEntry {
  kind: 'own';
  time: Date;
  to: string;
  text: string;
  state: OwnState;
  /** Reason for the state `refused` or `unknown`. */
  why?: string;
}

/** A message to this user. */
export interface InEntry {
  kind: 'in';
  time: Date;
  from: string;
  text: string;
  messageID: string;
  inboxSeq: number;
  /** Number of copies received. */
  copies: number;
  /** The receipt is withheld, so the server considers the message undelivered. */
  held: boolean;
}

/** A line that is not a message. */
export interface NoteEntry {
  kind: 'note' | 'frame' | 'problem';
  time?: Date;
  text: string;
}

export type Entry = OwnEntry | InEntry | NoteEntry;

export type LinkState = 'online' | 'connecting' | 'reconnecting' | 'ended' | 'leaving';

/**
 * {@link takeFinal} returns entries that never change again. The others stay in {@link open} while their state may
 * change: own messages until settled, messages to this user until receipted.
 */
export class ChatModel {
  readonly open: (OwnEntry | InEntry)[] = [];
  link: LinkState = 'connecting';
  /** Why the connection is not online. */
  why = '';
  target = '';
  away = false;
  private final: Entry[] = [];
  private readonly held = new Map<string, InEntry>();

  constructor(
    readonly user: string,
    /** Called when something must be redrawn. */
    private readonly changed: () => void,
  ) {}

  note(text: string, kind: NoteEntry['kind'] = 'note', time?: Date): void {
    this.final.push({ kind, text, time });
    this.changed();
  }

  setLink(link: LinkState, why = ''): void {
    this.link = link;
    this.why = why;
    this.changed();
  }

  setTarget(target: string): void {
    this.target = target;
    this.changed();
  }

  setAway(away: boolean): void {
    this.away = away;
    this.changed();
  }

  sending(to: string, text: string): OwnEntry {
    const entry: OwnEntry = { kind: 'own', time: new Date(), to, text, state: 'sending' };
    this.open.push(entry);
    this.changed();
    return entry;
  }

  settle(entry: OwnEntry, state: OwnState, { time = entry.time, why }: { time?: Date; why?: string } = {}): void {
    Object.assign(entry, { state, time, why });
    this.finish(entry);
  }

  /** Adds a message that was not shown before. */
  arrived(entry: Omit<InEntry, 'kind' | 'copies' | 'held'>): void {
    const shown: InEntry = { kind: 'in', copies: 1, held: this.away, ...entry };
    if (shown.held) {
      this.held.set(shown.messageID, shown);
      this.open.push(shown);
    } else this.final.push(shown);
    this.changed();
  }

  /** Adds an entry of the past or of another device. */
  show(entry: Entry): void {
    this.final.push(entry);
    this.changed();
  }

  /** Counts another received copy of a message. */
  cameAgain(messageID: string): void {
    const entry = this.held.get(messageID);
    if (!entry) return;
    entry.copies++;
    this.changed();
  }

  /** The server has stored the receipts up to this `inboxSeq`. */
  confirmed(inboxSeq: number): void {
    for (const entry of [...this.held.values()]) {
      if (entry.inboxSeq > inboxSeq) continue;
      entry.held = false;
      this.held.delete(entry.messageID);
      this.finish(entry);
    }
  }

  get unsettled(): number {
    return this.open.filter(({ kind }) => kind === 'own').length;
  }

  get unreceipted(): number {
    return this.held.size;
  }

  takeFinal(): Entry[] {
    return this.final.splice(0);
  }

  private finish(entry: OwnEntry | InEntry): void {
    const at = this.open.indexOf(entry);
    if (at >= 0) this.open.splice(at, 1);
    this.final.push(entry);
    this.changed();
  }
}
