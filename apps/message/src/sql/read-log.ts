import { deliveryText, type LaneEvent } from '@huizhi/protocol';
import type pg from 'pg';

interface LogRow extends Omit<LaneEvent, 'pair' | 'members'> {
  lane: number;
  peer: string | null;
  members: string[] | null;
  body: string;
}

const COLUMNS = `e.lane, e.position, e.conversation_id as conversation, e.seq, e.server_time as "serverTime",
                 e.user_id as "user", e.device_id as device, e.peer, e.body`;

const delivery = (row: LogRow): string => deliveryText(row, row.body);

/** An event with the delivery it stands for. */
export interface LoggedEvent {
  event: LaneEvent;
  delivery: string;
}

const toEvent = ({ position, conversation, seq, serverTime, user, device, peer, members }: LogRow): LaneEvent => ({
  position,
  conversation,
  seq,
  serverTime,
  user,
  device,
  ...(peer !== null && { pair: peer === user ? [user] : [user, peer] }),
  ...(members !== null && { members }),
});

/** The events of a lane from a position on, ascending. What is committed has no holes, so neither has the answer. */
export async function readRange(
  client: pg.ClientBase,
  lane: number,
  from: number,
  limit: number,
): Promise<LoggedEvent[]> {
  const { rows } = await client.query<LogRow>({
    name: 'read-range',
    text: `select ${COLUMNS},
                  case when e.makes_group then
                    (select array_agg(m.user_id) from message.member m
                      where m.conversation_id = e.conversation_id and m.from_position = e.position)
                  end as members
             from message.event e
            where e.lane = $1 and e.position >= $2 order by e.position limit $3`,
    values: [lane, from, limit],
  });
  return rows.map((row) => ({ event: toEvent(row), delivery: delivery(row) }));
}

export async function readHead(client: pg.ClientBase, lane: number): Promise<number> {
  const { rows } = await client.query<{ head: number }>({
    name: 'read-head',
    text: 'select head from message.lane where lane = $1',
    values: [lane],
  });
  return rows[0]?.head ?? 0;
}

/** The deliveries at these places, in their order; an empty text where there is none. */
export async function readPlaces(client: pg.ClientBase, places: readonly [number, number][]): Promise<string[]> {
  const { rows } = await client.query<LogRow & { asked: number }>({
    name: 'read-places',
    text: `select asked.ordinality as asked, ${COLUMNS}
             from unnest($1::smallint[], $2::bigint[]) with ordinality as asked (lane, position, ordinality)
             join message.event e using (lane, position)`,
    values: [places.map(([lane]) => lane), places.map(([, position]) => position)],
  });
  const found = places.map(() => '');
  for (const row of rows) found[row.asked - 1] = delivery(row);
  return found;
}

export interface HistoryQuery {
  conversation: string;
  /** Present for a group: only what the user was a member for is shown. */
  member: string | null;
  /** Exclusive bounds. */
  after: number;
  before: number;
  newest: boolean;
  limit: number;
}

/** A page of a conversation, ascending by `seq`. */
export async function readHistory(client: pg.ClientBase, query: HistoryQuery): Promise<string[]> {
  const order = query.newest ? 'desc' : 'asc';
  const { rows } = await client.query<LogRow>({
    name: `read-history-${order}`,
    text: `select ${COLUMNS} from message.event e
            where e.conversation_id = $1 and e.seq > $2 and e.seq < $3
              and ($4::text is null or exists (
                    select from message.member m where m.conversation_id = e.conversation_id and m.user_id = $4
                       and e.position >= m.from_position and (m.to_position is null or e.position < m.to_position)))
            order by e.seq ${order} limit $5`,
    values: [query.conversation, query.after, query.before, query.member, query.limit],
  });
  if (query.newest) rows.reverse();
  return rows.map(delivery);
}

/** Whether the user is, or ever was, a member. */
export async function wasMember(client: pg.ClientBase, conversation: string, user: string): Promise<boolean> {
  const { rowCount } = await client.query({
    name: 'was-member',
    text: 'select from message.member where conversation_id = $1 and user_id = $2 limit 1',
    values: [conversation, user],
  });
  return rowCount === 1;
}
