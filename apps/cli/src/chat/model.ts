/** What a chat shows, without how. */

export type OwnState = 'sending' | 'stored' | 'refused' | 'unknown';

/** A message of this user, from the moment it was typed. */
export interface OwnEntry {
  kind: 'own';
  time: Date;
  to: string;
  text: string;
  state: OwnState;
  /** Why it was refused, or what is not known. */
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
  /** How often it came over the wire. */
  copies: number;
  /** Its receipt is withheld: for the server it is undelivered. */
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
 * Entries that are final leave by {@link takeFinal} and never change again; the others stay in {@link open}, because their state
 * still changes: own messages until they are settled, messages to this user until they are receipted.
 */
export class ChatModel {
  readonly open: (OwnEntry | InEntry)[] = [];
  link: LinkState = 'connecting';
  /** Why the link is not online. */
  why = '';
  target = '';
  away = false;
  private final: Entry[] = [];
  private readonly held = new Map<string, InEntry>();

  constructor(
    readonly user: string,
    /** Something is to be drawn anew. */
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

  /** A message that is shown the first time. */
  arrived(entry: Omit<InEntry, 'kind' | 'copies' | 'held'>): void {
    const shown: InEntry = { kind: 'in', copies: 1, held: this.away, ...entry };
    if (shown.held) {
      this.held.set(shown.messageID, shown);
      this.open.push(shown);
    } else this.final.push(shown);
    this.changed();
  }

  /** Something of the past, or of another device. */
  show(entry: Entry): void {
    this.final.push(entry);
    this.changed();
  }

  /** Another copy of a message came over the wire. */
  cameAgain(messageID: string): void {
    const entry = this.held.get(messageID);
    if (!entry) return;
    entry.copies++;
    this.changed();
  }

  /** The server holds everything up to here as receipted. */
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
