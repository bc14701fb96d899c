import { inboxLaneOf, type GroupAt, type LaneEvent, type MembershipChange } from '@huizhi/protocol';
import { Backoff, pause } from '@huizhi/runtime';
import { memberRequests } from './metrics.js';

/** A user that receives an event, and the inbox lane of that user. */
export interface Recipient {
  readonly user: string;
  readonly lane: number;
}

/**
 * Requests the members of groups from the message service, each at a position. Answers for the first of them, at least
 * one, in their order.
 */
export type MembersAsOf = (groups: readonly GroupAt[]) => Promise<readonly (readonly string[])[]>;

export interface RecipientsOptions {
  lanes: number;
  membersAsOf: MembersAsOf;
  /** Events that wait to be applied, the next of each lane first. */
  ahead(): Iterable<LaneEvent>;
  /** Called after each answer: lanes that wait for it can continue. */
  onAnswer(): void;
  /** Limit of remembered members over all conversations and versions. */
  maxMembers?: number;
}

/** Limits of groups per request and of requests in flight: after an outage every group is unknown. */
const GROUPS_AT_ONCE = 250;
const REQUESTS_AT_ONCE = 2;

/** Limit of remembered versions per group; for lanes that lag further behind, members are requested again. */
const MAX_VERSIONS = 8;

/** The members of a group from a position on, until the next version. */
interface Version {
  readonly from: number;
  readonly members: readonly Recipient[];
}

/**
 * The recipients of events. The event of a pair names both users. The recipients of a group's event are the members at
 * its position; members that leave by it receive it as their last event.
 *
 * Members are remembered as versions: an answer of the message service for a position, or an older version with the
 * change of an event applied. After a take-over some inbox lanes replay events that others have applied, so an event
 * may be older than the newest version. A version is valid until the next one, because every event of a lane is seen
 * here in order. When positions are skipped (all lanes were held elsewhere in between), everything is forgotten.
 *
 * The groups to request are found by looking ahead in the queues, so there is no list of requests to bound. Groups that
 * an answer left out, and groups of a failed request, are still unknown and are found again.
 */
export class Recipients {
  /** Versions in ascending order; the least recently used group comes first. */
  private readonly groups = new Map<string, Version[]>();
  private readonly asked = new Set<string>();
  /** Per message lane, the highest position seen. */
  private readonly reached = new Map<number, number>();
  private readonly backoff = new Backoff(50, 2_000);
  private readonly stopped = new AbortController();
  private readonly maxMembers: number;
  private members = 0;
  private requests = 0;
  private looking = false;
  /** Raised whenever everything is forgotten: answers to older requests are ignored. */
  private generation = 0;

  constructor(private readonly options: RecipientsOptions) {
    this.maxMembers = options.maxMembers ?? 500_000;
  }

  /**
   * @param lane the message lane of the event
   * @returns undefined while the members are requested; the lane of the event waits
   */
  of(lane: number, event: LaneEvent): readonly Recipient[] | undefined {
    this.reach(lane, event.position);
    if (event.pair) return this.located(event.pair);
    this.lookAhead();
    const { change } = event;
    const members = change ? this.changed(event, change) : this.asOf(event);
    return members && change?.left ? [...members, ...this.located(change.left)] : members;
  }

  stop(): void {
    this.stopped.abort();
  }

  /** Skipped events may have changed members without being seen here. */
  private reach(lane: number, position: number): void {
    const reached = this.reached.get(lane) ?? position;
    if (position > reached + 1) this.forgetAll();
    if (position >= reached) this.reached.set(lane, position);
  }

  private asOf({ conversation, position }: LaneEvent): readonly Recipient[] | undefined {
    const versions = this.groups.get(conversation);
    const version = versions && versionAt(versions, position);
    if (!version) return undefined;
    this.groups.delete(conversation);
    this.groups.set(conversation, versions);
    return version.members;
  }

  private changed(event: LaneEvent, { joined = [], left = [] }: MembershipChange): readonly Recipient[] | undefined {
    const { conversation, position, seq } = event;
    const versions = this.groups.get(conversation) ?? [];
    const version = versionAt(versions, position);
    if (version?.from === position) return version.members;
    // A group has no members before its first event.
    const before = version?.members ?? (seq === 1 ? [] : undefined);
    if (!before) return undefined;
    const gone = new Set([...left, ...joined]);
    const stayed = before.filter(({ user }) => !gone.has(user));
    return this.remember(conversation, position, [...stayed, ...this.located(joined)]);
  }

  /** Requests members before the writer reaches their events. Runs once per turn of the event loop. */
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
   * The next groups to request, those that lanes wait for first. Looks ahead no further than half of the memory, so
   * that answers do not evict members that are needed earlier.
   */
  private unknown(): GroupAt[] {
    const unknown: GroupAt[] = [];
    const seen = new Set<string>();
    let room = this.maxMembers / 2;
    for (const { conversation, position, seq, pair, change } of this.options.ahead()) {
      if (pair || seen.has(conversation)) continue;
      seen.add(conversation);
      const version = versionAt(this.groups.get(conversation) ?? [], position);
      if (version) room -= version.members.length;
      else if (!(change && seq === 1) && !this.asked.has(conversation)) unknown.push([conversation, position]);
      if (room <= 0 || unknown.length === GROUPS_AT_ONCE) break;
    }
    return unknown;
  }

  private async ask(groups: readonly GroupAt[]): Promise<void> {
    const { generation } = this;
    this.requests += 1;
    for (const [conversation] of groups) this.asked.add(conversation);
    try {
      const answers = await this.options.membersAsOf(groups);
      memberRequests.inc({ outcome: 'answered' });
      this.backoff.reset();
      // Iterates over answers, not over groups: a group without an answer is unknown, not empty.
      for (const [index, users] of answers.entries()) {
        const [conversation, position] = groups[index] ?? [];
        if (conversation === undefined || position === undefined || generation !== this.generation) continue;
        this.remember(conversation, position, this.located(users));
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

  private remember(conversation: string, from: number, members: readonly Recipient[]): readonly Recipient[] {
    const versions = (this.groups.get(conversation) ?? []).filter((version) => version.from !== from);
    const kept = [...versions, { from, members }].sort((a, b) => a.from - b.from).slice(-MAX_VERSIONS);
    this.forget(conversation);
    this.groups.set(conversation, kept);
    this.members += sizeOf(kept);
    for (const oldest of this.groups.keys()) {
      if (this.members <= this.maxMembers || this.groups.size === 1) break;
      this.forget(oldest);
    }
    return members;
  }

  private forget(conversation: string): void {
    this.members -= sizeOf(this.groups.get(conversation) ?? []);
    this.groups.delete(conversation);
  }

  private forgetAll(): void {
    this.generation += 1;
    this.groups.clear();
    this.members = 0;
  }

  private located(users: readonly string[]): readonly Recipient[] {
    return users.map((user) => ({ user, lane: inboxLaneOf(user, this.options.lanes) }));
  }
}

const versionAt = (versions: readonly Version[], position: number): Version | undefined =>
  versions.findLast(({ from }) => from <= position);

const sizeOf = (versions: readonly Version[]): number => versions.reduce((sum, { members }) => sum + members.length, 0);
