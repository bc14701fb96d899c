import type { SendKey, Stored } from '../sql/look-up.js';

/** What the owner knows of a conversation. Only ever changed after a commit. */
export interface ConversationState {
  /** The last `seq`; 0 when nothing is stored. */
  seq: number;
  serverTime: number;
  /** Present members of a group; absent for a pair. */
  members?: ReadonlySet<string>;
}

const MAX_CONVERSATIONS = 8_000;
const MAX_RECENT = 4_000;

/** A map that forgets what was not asked for longest. */
class Recent<V> {
  private readonly entries = new Map<string, V>();

  constructor(private readonly most: number) {}

  get(key: string): V | undefined {
    const value = this.entries.get(key);
    if (value === undefined) return undefined;
    this.entries.delete(key);
    this.entries.set(key, value);
    return value;
  }

  set(key: string, value: V): void {
    this.entries.delete(key);
    this.entries.set(key, value);
    if (this.entries.size <= this.most) return;
    const [oldest] = this.entries.keys();
    this.entries.delete(oldest!);
  }
}

/** Client ids may hold any visible character; a space cannot be part of any of the three. */
export const keyText = (key: SendKey): string => `${key.conversation} ${key.user} ${key.clientID}`;

/**
 * What the owner of one lane remembers. Coherent because no one else can write: whoever finds at a commit that it is not
 * the owner drops this as a whole. A cache all the same: everything in it can be read again.
 */
export class LaneMemory {
  readonly conversations = new Recent<ConversationState>(MAX_CONVERSATIONS);
  /** Messages stored lately, or looked up, by {@link keyText}. */
  readonly stored = new Recent<Stored>(MAX_RECENT);
}
