import type pg from 'pg';
import type { ModelCluster } from './model-cluster.js';
import type { Traffic } from './traffic.js';

interface EventRow {
  lane: number;
  position: number;
  conversation: string;
  seq: number;
  serverTime: number;
  user: string;
  clientID: string;
}
interface InboxRow {
  user: string;
  seq: number;
  lane: number;
  position: number;
}

const rowsOf = async <R extends pg.QueryResultRow>(
  client: pg.Client,
  text: string,
  values: unknown[] = [],
): Promise<R[]> => (await client.query<R>(text, values)).rows;

const eventsOf = (cluster: ModelCluster, users: readonly string[]): Promise<EventRow[]> =>
  rowsOf(
    cluster.admins.message,
    `select lane, position::float8 as position, conversation_id as conversation, seq::float8 as seq,
            server_time::float8 as "serverTime", user_id as "user", client_id as "clientID"
       from message.event where user_id = any($1) order by conversation_id, seq`,
    [users],
  );

export const inboxesOf = (cluster: ModelCluster, users: readonly string[]): Promise<InboxRow[]> =>
  rowsOf(
    cluster.admins.offline,
    `select user_id as "user", inbox_seq::float8 as seq, lane, position::float8 as position
       from offline.inbox where user_id = any($1) order by user_id, inbox_seq`,
    [users],
  );

/**
 * Contradictions between the tables and the answers of a run, after all faults have ended and every send is answered.
 */
export async function judgeStored(cluster: ModelCluster, traffic: Traffic): Promise<string[]> {
  const events = await eventsOf(cluster, traffic.users);
  const inboxes = await inboxesOf(cluster, traffic.users);
  return [...judgeLog(traffic, events), ...judgeInboxes(traffic, events, inboxes)];
}

function* judgeLog(traffic: Traffic, events: readonly EventRow[]): Generator<string> {
  const byClientID = new Map(events.map((event) => [event.clientID, event]));
  if (events.length !== traffic.sent.length) yield `${traffic.sent.length} were sent, ${events.length} are stored`;
  for (const { send, receipts, refusals } of traffic.sent) {
    const event = byClientID.get(send.clientID);
    if (refusals.length > 0) yield `${send.clientID} was refused: ${refusals.join(', ')}`;
    const told = new Set(receipts.map(({ position, seq, serverTime }) => `${position} ${seq} ${serverTime}`));
    const true_ = `${event?.position} ${event?.seq} ${event?.serverTime}`;
    if (told.size !== 1 || !told.has(true_))
      yield `${send.clientID} is ${true_} and was told ${[...told].join(' and ')}`;
  }
  const seqs = new Map<string, number>();
  const lastOf = new Map<string, number>();
  const orderOf = new Map(traffic.sent.map((sent) => [sent.send.clientID, sent.n]));
  for (const { conversation, seq, user, clientID } of events) {
    const last = seqs.get(conversation) ?? 0;
    if (seq !== last + 1) yield `${conversation}: seq ${seq} follows ${last}`;
    seqs.set(conversation, seq);
    const n = orderOf.get(clientID) ?? -1;
    const before = lastOf.get(`${conversation} ${user}`) ?? -1;
    if (n < before) yield `${clientID} was sent before number ${before} and is stored after it`;
    lastOf.set(`${conversation} ${user}`, n);
  }
}

function* judgeInboxes(
  { sent, users }: Traffic,
  events: readonly EventRow[],
  inboxes: readonly InboxRow[],
): Generator<string> {
  const usersOf = new Map(sent.map((one) => [one.conversation, one.users]));
  for (const user of users) {
    const rows = inboxes.filter((row) => row.user === user);
    const places = rows.map(({ lane, position }) => `${lane}:${position}`);
    const due = events.filter(({ conversation }) => usersOf.get(conversation)?.includes(user));
    const expected = new Set(due.map(({ lane, position }) => `${lane}:${position}`));
    const once = new Set(places);
    if (once.size < places.length) yield `${user}: an event has two entries`;
    for (const place of expected) if (!once.has(place)) yield `${user}: no entry for ${place}`;
    for (const place of once) if (!expected.has(place)) yield `${user}: an entry for ${place}, which is not theirs`;
    const last = new Map<number, number>();
    for (const [index, { seq, lane, position }] of rows.entries()) {
      if (seq !== index + 1) yield `${user}: inboxSeq ${seq} at place ${index + 1}`;
      if (position < (last.get(lane) ?? 0)) yield `${user}: lane ${lane} is not in order at ${seq}`;
      last.set(lane, position);
    }
  }
}

/** Whether some inbox lane has not yet applied all events of the log. */
export async function isBehind({ admins }: ModelCluster): Promise<boolean> {
  const [log] = await rowsOf<{ heads: number[] }>(
    admins.message,
    'select array_agg(head::float8 order by lane) as heads from message.lane',
  );
  const inboxes = await rowsOf<{ applied: number[] }>(
    admins.offline,
    'select applied::float8[] as applied from offline.inbox_lane',
  );
  return inboxes.some(({ applied }) => log!.heads.some((head, lane) => (applied[lane] ?? 0) < head));
}

/**
 * Checks the whole test cluster when no work is in progress: heads match the logs, and the inboxes have applied all
 * events.
 */
export async function judgeLanes({ admins }: ModelCluster): Promise<string[]> {
  const lanes = await rowsOf<{ lane: number; head: number; last: number; count: number }>(
    admins.message,
    `select l.lane, l.head::float8 as head, coalesce(max(e.position), 0)::float8 as last, count(e.position)::float8 as count
       from message.lane l left join message.event e using (lane) group by l.lane, l.head order by l.lane`,
  );
  const heads = lanes.map(({ head }) => head).join(',');
  const vectors = await rowsOf<{ lane: number; applied: string }>(
    admins.offline,
    `select lane, array_to_string(applied, ',') as applied from offline.inbox_lane`,
  );
  const wrong = lanes.filter(({ head, last, count }) => head !== last || head !== count);
  const behind = vectors.filter(({ applied }) => applied !== heads);
  return [
    ...wrong.map((lane) => `message lane ${lane.lane}: head ${lane.head}, last ${lane.last}, ${lane.count} events`),
    ...behind.map(({ lane, applied }) => `inbox lane ${lane} has applied ${applied} of ${heads}`),
  ];
}
