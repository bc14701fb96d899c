import type { SendKey, Stored } from '../sql/look-up.js';

/** What the owner knows of a conversation. Only ever changed after a commit. */
export interface ConversationState {
  /** The last `seq`; 0 when nothing is stored. */
  seq: number;
  serverTime: number;
  /** Present members of a group; absent for a pair. */
  members?: ReadonlySet<string>;
}

/** Roughly what is kept of each, with its key, bytes. */
const CONVERSATION_BYTES = 200;
const MEMBER_BYTES = 100;
const STORED_BYTES = 500;

/** A map that forgets what was not asked for longest. */
class Recent<V> {
  private readonly entries = new Map<string, V>();
  private bytes = 0;

  constructor(
    private readonly maxBytes: number,
    private readonly bytesOf: (value: V) => number,
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
    this.bytes += this.bytesOf(value);
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
    this.bytes -= this.bytesOf(value);
  }
}

/** Client ids may hold any visible character; a space cannot be part of any of the three. */
export const keyText = (key: SendKey): string => `${key.conversation} ${key.user} ${key.clientID}`;

/**
 * What the owner of one lane remembers. Coherent because no one else can write: whoever finds at a commit that it is not
 * the owner drops this as a whole. A cache all the same: everything in it can be read again. Bounded in bytes, half for each,
 * but only as often as it is trimmed: a transaction needs all it has read, however much that is.
 */
export class LaneMemory {
  readonly conversations: Recent<ConversationState>;
  /** Messages stored lately, or looked up, by {@link keyText}. */
  readonly stored: Recent<Stored>;

  constructor(maxBytes: number) {
    const bytesOf = ({ members }: ConversationState) => CONVERSATION_BYTES + (members?.size ?? 0) * MEMBER_BYTES;
    this.conversations = new Recent(maxBytes / 2, bytesOf);
    this.stored = new Recent(maxBytes / 2, () => STORED_BYTES);
  }

  /** Nothing but what a duplicate needs: a row's body is a slice of all that came with it, and would keep that alive. */
  remember(message: SendKey & Stored): void {
    const { position, seq, serverTime, hash } = message;
    this.stored.set(keyText(message), { position, seq, serverTime, hash });
  }

  trim(): void {
    this.conversations.trim();
    this.stored.trim();
  }
}
