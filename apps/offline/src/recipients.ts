import { setMaxListeners } from 'node:events';
import { inboxLaneOf, type LaneEvent } from '@huizhi/protocol';
import { Backoff, pause } from '@huizhi/runtime';
import { memberRequests } from './metrics.js';

export interface Recipient {
  readonly user: string;
  readonly lane: number;
}

/** Asks the message service who is concerned by an event at this position. */
export type MembersAsOf = (conversation: string, position: number) => Promise<readonly string[]>;

export interface RecipientsOptions {
  lanes: number;
  membersAsOf: MembersAsOf;
  /** Called when an answer came: lanes that wait for it can go on. */
  onAnswer(): void;
  /** How many members, over all conversations, are remembered. */
  maxMembers?: number;
}

/**
 * Who receives an event. Of a pair the event says it; of a group its first event says it, and later it is remembered, or
 * asked for as of the event's position. The cache may keep an answer for ever: no event changes the members of a group yet.
 */
export class Recipients {
  private readonly groups = new Map<string, readonly Recipient[]>();
  private readonly asking = new Set<string>();
  private readonly stopped = new AbortController();
  private members = 0;

  constructor(private readonly options: RecipientsOptions) {
    // Each lane may be waiting for an answer.
    setMaxListeners(0, this.stopped.signal);
  }

  /** Undefined: they are being asked for, and this event's lane waits. */
  of(event: LaneEvent): readonly Recipient[] | undefined {
    if (event.pair) return this.located(event.pair);
    if (event.members) return this.remember(event.conversation, event.members);
    const known = this.groups.get(event.conversation);
    if (!known) {
      void this.ask(event);
      return undefined;
    }
    this.groups.delete(event.conversation);
    this.groups.set(event.conversation, known);
    return known;
  }

  /** So that the answer is there when the event's turn comes. */
  expect(event: LaneEvent): void {
    if (event.pair) return;
    if (event.members) this.remember(event.conversation, event.members);
    else if (!this.groups.has(event.conversation)) void this.ask(event);
  }

  stop(): void {
    this.stopped.abort();
  }

  private async ask({ conversation, position }: LaneEvent): Promise<void> {
    if (this.asking.has(conversation)) return;
    this.asking.add(conversation);
    const { signal } = this.stopped;
    const backoff = new Backoff(50, 2_000);
    while (!signal.aborted) {
      try {
        const users = await this.options.membersAsOf(conversation, position);
        memberRequests.inc({ outcome: 'answered' });
        this.remember(conversation, users);
        break;
      } catch {
        memberRequests.inc({ outcome: 'failed' });
        await pause(backoff.next(), signal);
      }
    }
    this.asking.delete(conversation);
    this.options.onAnswer();
  }

  private remember(conversation: string, users: readonly string[]): readonly Recipient[] {
    this.members -= this.groups.get(conversation)?.length ?? 0;
    this.groups.delete(conversation);
    const located = this.located(users);
    this.groups.set(conversation, located);
    this.members += located.length;
    this.forgetOldest(this.options.maxMembers ?? 500_000);
    return located;
  }

  private forgetOldest(maxMembers: number): void {
    for (const [conversation, members] of this.groups) {
      if (this.members <= maxMembers || this.groups.size === 1) return;
      this.groups.delete(conversation);
      this.members -= members.length;
    }
  }

  private located(users: readonly string[]): readonly Recipient[] {
    return users.map((user) => ({ user, lane: inboxLaneOf(user, this.options.lanes) }));
  }
}
