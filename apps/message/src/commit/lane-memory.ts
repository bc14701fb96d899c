import type { SendKey, Stored } from '../sql/look-up.js';

/** What the owner knows of a conversation. Changed only after a commit. */
export interface ConversationState {
  /** The last `seq`; 0 when nothing is stored. */
  seq: number;
  serverTime: number;
  /** Current members of a group; absent for a pair. */
  members?: ReadonlySet<string>;
}

/** Approximate bytes per entry with a short key; the rest of a longer key is added. */
const CONVERSATION_BYTES = 200;
const MEMBER_BYTES = 100;
const STORED_BYTES = 500;
const SHORT_KEY = 100;

/** Bytes of a text beyond a short one: up to two per UTF-16 unit. */
const beyond = (text: string, short: number): number => 2 * Math.max(0, text.length - short);

/** A set of members is never changed, so its bytes are counted once. */
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

/** LRU map with a limit in bytes: `trim` evicts the least recently used entries. */
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
    // Check before iterating: a Map whose entries move to its end keeps holes at its start.
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

/** The separator is unambiguous: ids may contain any printable character, but no control character. */
export const keyText = (key: SendKey): string => `${key.conversation}\n${key.user}\n${key.clientID}`;

/**
 * What the owner of one lane remembers: a cache of stored data. It is coherent because only the owner writes. An
 * instance that is no longer the owner drops all of it. Each map has half of the bytes. Only `trim` evicts, because a
 * transaction needs all entries that it has read.
 */
export class LaneMemory {
  readonly conversations: Recent<ConversationState>;
  /** Messages stored or looked up recently, by {@link keyText}. */
  readonly stored: Recent<Stored>;

  constructor(maxBytes: number) {
    this.conversations = new Recent(
      maxBytes / 2,
      ({ members }, key) => CONVERSATION_BYTES + beyond(key, SHORT_KEY) + bytesOfMembers(members),
    );
    this.stored = new Recent(maxBytes / 2, (_, key) => STORED_BYTES + beyond(key, SHORT_KEY));
  }

  /** Copies only the fields of a receipt: the body is a slice of the bus payload and would keep all of it in memory. */
  remember(message: SendKey & Stored): void {
    const { position, seq, serverTime, hash } = message;
    this.stored.set(keyText(message), { position, seq, serverTime, hash });
  }

  trim(): void {
    this.conversations.trim();
    this.stored.trim();
  }
}
