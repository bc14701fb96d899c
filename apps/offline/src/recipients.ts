import { inboxLaneOf, type GroupAt, type LaneEvent } from '@huizhi/protocol';
import { Backoff, pause } from '@huizhi/runtime';
import { memberRequests } from './metrics.js';

export interface Recipient {
  readonly user: string;
  readonly lane: number;
}

/** Asks the message service who is in these groups: the members of the first of them, at least one, in their order. */
export type MembersAsOf = (groups: readonly GroupAt[]) => Promise<readonly (readonly string[])[]>;

export interface RecipientsOptions {
  lanes: number;
  membersAsOf: MembersAsOf;
  /** Events that wait for their turn, the next of each lane first. */
  ahead(): Iterable<LaneEvent>;
  /** Called when an answer came: lanes that wait for it can go on. */
  onAnswer(): void;
  /** How many members, over all conversations, are remembered. */
  maxMembers?: number;
}

/** The most groups of one request, and the most requests at a time: after an outage every group is unknown. */
const GROUPS_AT_ONCE = 250;
const REQUESTS_AT_ONCE = 2;

/**
 * Who receives an event. Of a pair the event says it; of a group its first event says it, and later it is remembered, or
 * asked for as of the event's position. The cache may keep an answer for ever: no event changes the members of a group yet.
 *
 * What is asked next is read off the queues, so there is no list of wishes to bound, and an answer that failed, was lost or
 * told of fewer groups than were asked needs no care: what is still unknown is found again.
 */
export class Recipients {
  private readonly groups = new Map<string, readonly Recipient[]>();
  private readonly asked = new Set<string>();
  private readonly backoff = new Backoff(50, 2_000);
  private readonly stopped = new AbortController();
  private readonly maxMembers: number;
  private members = 0;
  private requests = 0;
  private looking = false;

  constructor(private readonly options: RecipientsOptions) {
    this.maxMembers = options.maxMembers ?? 500_000;
  }

  /** Undefined: they are being asked for, and this event's lane waits. */
  of(event: LaneEvent): readonly Recipient[] | undefined {
    if (event.pair) return this.located(event.pair);
    this.lookAhead();
    if (event.members) return this.remember(event.conversation, event.members);
    const known = this.groups.get(event.conversation);
    if (!known) return undefined;
    this.groups.delete(event.conversation);
    this.groups.set(event.conversation, known);
    return known;
  }

  stop(): void {
    this.stopped.abort();
  }

  /** So that answers are there when the events' turn comes. Once for all that this turn of the event loop brought. */
  private lookAhead(): void {
    if (this.looking || this.requests === REQUESTS_AT_ONCE) return;
    this.looking = true;
    setImmediate(() => {
      this.looking = false;
      while (this.requests < REQUESTS_AT_ONCE && !this.stopped.signal.aborted) {
        const unknown = this.unknown();
        if (unknown.length === 0) return;
        void this.ask(unknown);
      }
    });
  }

  /**
   * The next groups to ask for, what lanes wait for first. No further ahead than half the cache reaches: what is fetched must not
   * push out what is needed before it.
   */
  private unknown(): GroupAt[] {
    const unknown: GroupAt[] = [];
    const seen = new Set<string>();
    let room = this.maxMembers / 2;
    for (const { conversation, position, pair, members } of this.options.ahead()) {
      if (pair) continue;
      const known = this.groups.get(conversation);
      if (known) room -= known.length;
      else if (!seen.has(conversation)) {
        seen.add(conversation);
        if (!members && !this.asked.has(conversation)) unknown.push([conversation, position]);
      }
      if (room <= 0 || unknown.length === GROUPS_AT_ONCE) break;
    }
    return unknown;
  }

  private async ask(groups: readonly GroupAt[]): Promise<void> {
    this.requests += 1;
    for (const [conversation] of groups) this.asked.add(conversation);
    try {
      const answers = await this.options.membersAsOf(groups);
      memberRequests.inc({ outcome: 'answered' });
      this.backoff.reset();
      // By answers, not by groups: one that is not answered is unknown, not empty.
      for (const [index, users] of answers.entries()) {
        const group = groups[index];
        if (group) this.remember(group[0], users);
      }
      this.options.onAnswer();
    } catch {
      memberRequests.inc({ outcome: 'failed' });
      await pause(this.backoff.next(), this.stopped.signal);
    }
    this.requests -= 1;
    for (const [conversation] of groups) this.asked.delete(conversation);
    this.lookAhead();
  }

  private remember(conversation: string, users: readonly string[]): readonly Recipient[] {
    this.members -= this.groups.get(conversation)?.length ?? 0;
    this.groups.delete(conversation);
    const located = this.located(users);
    this.groups.set(conversation, located);
    this.members += located.length;
    this.forgetOldest();
    return located;
  }

  private forgetOldest(): void {
    for (const [conversation, members] of this.groups) {
      if (this.members <= this.maxMembers || this.groups.size === 1) return;
      this.groups.delete(conversation);
      this.members -= members.length;
    }
  }

  private located(users: readonly string[]): readonly Recipient[] {
    return users.map((user) => ({ user, lane: inboxLaneOf(user, this.options.lanes) }));
  }
}
