import {
  decodeLines,
  encodeLines,
  laneOf,
  MAX_BUS_BYTES,
  pairConversation,
  subjects,
  type LaneEvent,
  type LogGetRequest,
  type LogRangeRequest,
  type LogReply,
  type MembersReply,
  type MembersRequest,
  type CommittedEvents,
  type CommittedRun,
} from '@huizhi/protocol';
import type { Bus } from '@huizhi/runtime';

interface Stored {
  event: LaneEvent;
  body: string;
}

/** The message service as the offline service sees it: a lane log that answers, and the events that it publishes. */
export class FakeMessage {
  readonly groups = new Map<string, string[]>();
  /** While false, the log does not answer. */
  answering = true;
  readonly rangesAsked: LogRangeRequest[] = [];
  readonly membersAsked: MembersRequest[] = [];
  /** Faults of the next replies about members; later replies succeed. */
  readonly membersFates: ('lost' | 'failed')[] = [];
  /** Number of bodies that were requested. */
  placesAsked = 0;
  private readonly log: Stored[][];
  private readonly seqs = new Map<string, number>();

  constructor(
    private readonly bus: Bus,
    private readonly lanes: number,
  ) {
    this.log = Array.from({ length: lanes }, () => []);
    bus.subscribe(subjects.log, (payload, _, reply) => {
      if (!reply || !this.answering) return;
      const { head } = decodeLines<LogGetRequest | LogRangeRequest>(payload);
      bus.respond(reply, head.op === 'range' ? this.range(head) : this.get(head));
    });
    bus.subscribe(subjects.members, (payload, _, reply) => {
      const { head } = decodeLines<MembersRequest>(payload);
      this.membersAsked.push(head);
      const fate = this.membersFates.shift();
      if (reply && fate !== 'lost') bus.respond(reply, this.members(head, fate));
    });
  }

  /** Stores a text between two users without publishing it. */
  store(from: string, to: string, text: string, device = 'phone'): CommittedRun {
    const pair = from === to ? [from] : [from, to].sort();
    return this.append(pairConversation(from, to), { user: from, device, pair }, text);
  }

  /** Stores a text in a group without publishing it; the first event of a group names its members. */
  storeInGroup(conversation: string, from: string, text: string, members?: string[]): CommittedRun {
    if (members) this.groups.set(conversation, members);
    return this.append(
      conversation,
      { user: from, device: 'phone', ...(members && { change: { joined: members } }) },
      text,
    );
  }

  /** Stores a text and publishes its event, as the service does after its commit. */
  say(from: string, to: string, text: string, device = 'phone'): CommittedRun {
    const run = this.store(from, to, text, device);
    this.publish(run);
    return run;
  }

  publish(...runs: CommittedRun[]): void {
    const head: CommittedEvents = { runs };
    const bodies = runs.flatMap((run) => run.events.map((event) => this.bodyOf(run.lane, event.position)));
    this.bus.publish(subjects.committed, encodeLines(head, bodies));
  }

  /** Announces the heads, as owners do each second after a change. */
  announce(): void {
    const lanes = this.log
      .map((events, lane) => ({ lane, epoch: 1, head: events.length }))
      .filter((one) => one.head > 0);
    this.bus.publish(subjects.lanes('message'), JSON.stringify({ owner: 'message', taken: false, lanes }));
  }

  /** Removes the body, as a recall does. */
  blank(run: CommittedRun): void {
    const stored = this.log[run.lane]?.[(run.events[0]?.position ?? 0) - 1];
    if (stored) stored.body = '';
  }

  private append(
    conversation: string,
    about: Pick<LaneEvent, 'user' | 'device' | 'pair' | 'change'>,
    text: string,
  ): CommittedRun {
    const lane = laneOf(conversation, this.lanes);
    const events = this.log[lane] as Stored[];
    const seq = (this.seqs.get(conversation) ?? 0) + 1;
    this.seqs.set(conversation, seq);
    const event: LaneEvent = { position: events.length + 1, conversation, seq, serverTime: 1, ...about };
    events.push({ event, body: JSON.stringify({ conversation, seq, text }) });
    return { lane, epoch: 1, events: [event] };
  }

  private bodyOf(lane: number, position: number): string {
    return this.log[lane]?.[position - 1]?.body ?? '';
  }

  private range({ lane, from, limit }: LogRangeRequest): string {
    this.rangesAsked.push({ op: 'range', lane, from, limit });
    const all = this.log[lane] ?? [];
    const part = this.fitting(all.slice(from - 1, from - 1 + limit).map((one) => one.body));
    const events = all.slice(from - 1, from - 1 + part.length).map((one) => one.event);
    return encodeLines({ events, head: all.length } satisfies LogReply, part);
  }

  private get({ places }: LogGetRequest): string {
    this.placesAsked += places.length;
    const bodies = this.fitting(places.map(([lane, position]) => this.bodyOf(lane, position)));
    return encodeLines({ count: bodies.length } satisfies LogReply, bodies);
  }

  private members({ groups }: MembersRequest, fate: 'failed' | undefined): string {
    if (fate) return encodeLines({ error: 'unavailable' } satisfies MembersReply, []);
    const lines = groups.map(([conversation]) => JSON.stringify(this.groups.get(conversation) ?? []));
    return encodeLines({} satisfies MembersReply, this.fitting(lines));
  }

  private fitting(bodies: string[]): string[] {
    let bytes = 0;
    return bodies.filter((body) => (bytes += body.length) <= MAX_BUS_BYTES);
  }
}
