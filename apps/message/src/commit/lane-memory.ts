import type { SendKey, Stored } from '../sql/look-up.js';

/** What the owner knows of a conversation. Only ever changed after a commit. */
export interface ConversationState {
  /** The last `seq`; 0 when nothing is stored. */
  seq: number;
  serverTime: number;
  /** Present members of a group; absent for a pair. */
  members?: ReadonlySet<string>;
}

/** Roughly what is kept of each, bytes, with a short key; a key can be much longer. */
const CONVERSATION_BYTES = 200;
const MEMBER_BYTES = 100;
const STORED_BYTES = 500;
const SHORT_KEY = 100;

/** What a text takes beyond a short one: up to two bytes a UTF-16 unit. */
const beyond = (text: string, short: number): number => 2 * Math.max(0, text.length - short);

/** Sets of members are never changed: each is counted once. */
const memberBytes = new WeakMap<ReadonlySet<string>, number>();
function bytesOfMembers(members: ReadonlySet<string> | undefined): number {
  if (!members) return 0;
  let bytes = memberBytes.get(members);
  if (bytes === undefined) {
    bytes = 0;
    for (const member of members) bytes += MEMBER_BYTES + beyond(member, 30);
    memberBytes.set(members, bytes);
  }
  return bytes;
}

/** A map that forgets what was not asked for longest. */
class Recent<V> {
  private readonly entries = new Map<string, V>();
  private bytes = 0;

  constructor(
    private readonly maxBytes: number,
    private readonly bytesOf: (value: V, key: string) => number,
  ) {}

  get(key: string): V | undefined {
    const value = this.entries.get(key);
    if (value === undefined) return undefined;
    this.entries.delete(key);
    this.entries.set(key, value);
    return value;
  }

  set(key: string, value: V): void {
    this.delete(key);
    this.entries.set(key, value);
    this.bytes += this.bytesOf(value, key);
  }

  trim(): void {
    // Before the first key is looked for: a map whose entries move to its end keeps holes at its beginning.
    if (this.bytes <= this.maxBytes) return;
    for (const key of this.entries.keys()) {
      this.delete(key);
      if (this.bytes <= this.maxBytes) return;
    }
  }

  private delete(key: string): void {
    const value = this.entries.get(key);
    if (value === undefined) return;
    this.entries.delete(key);
    this.bytes -= this.bytesOf(value, key);
  }
}

/** Unambiguous, because none of the three can hold a control character. Other printable ones can be in all of them. */
export const keyText = (key: SendKey): string => `${key.conversation}\n${key.user}\n${key.clientID}`;

/**
 * What the owner of one lane remembers. Coherent because no one else can write: whoever finds at a commit that it is not
 * the owner drops this as a whole. A cache all the same: everything in it can be read again. Bounded in bytes, half for each,
 * but only as often as it is trimmed: a transaction needs all it has read, however much that is.
 */
export class LaneMemory {
  readonly commitLoop: Recent<ConversationState>;
  /** Messages stored lately, or looked up, by {@link keyText}. */
  readonly stored: Recent<Stored>;

  constructor(maxBytes: number) {
    this.commitLoop = new Recent(
      maxBytes / 2,
      ({ members }, key) => CONVERSATION_BYTES + beyond(key, SHORT_KEY) + bytesOfMembers(members),
    );
    this.stored = new Recent(maxBytes / 2, (_, key) => STORED_BYTES + beyond(key, SHORT_KEY));
  }

  /** Nothing but what a duplicate needs: a row's body is a slice of all that came with it, and would keep that alive. */
  remember(message: SendKey & Stored): void {
    const { position, seq, serverTime, hash } = message;
    this.stored.set(keyText(message), { position, seq, serverTime, hash });
  }

  trim(): void {
    this.commitLoop.trim();
    this.stored.trim();
  }
}
