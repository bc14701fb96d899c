import {
  eventHeadBytes,
  READ_TIMEOUT_MS,
  subjects,
  type LogGetRequest,
  type LogRangeRequest,
  type LogReply,
} from '@huizhi/protocol';
import type pg from 'pg';
import { readHead, readPlaces, readRange, type LoggedEvent } from '../sql/read-log.js';
import { fitting, QueryHandler, type Answer } from './query-handler.js';

const MAX_RANGE = 1000;
const MAX_PLACES = 1000;
/** Bytes that a place adds to the head of the reply. */
const nothing = (): number => 0;

/** Answers from the lane log, which is authoritative: an event that it does not contain was never acknowledged. */
export class LogQueryHandler extends QueryHandler<LogRangeRequest | LogGetRequest, LogReply> {
  protected readonly subject = subjects.log;
  protected readonly unavailable: LogReply = { error: 'unavailable' };
  protected override readonly callerTimeoutMs = READ_TIMEOUT_MS;

  protected read(client: pg.ClientBase, request: LogRangeRequest | LogGetRequest): Promise<Answer<LogReply>> {
    return request.op === 'range' ? range(client, request) : places(client, request);
  }
}

async function range(client: pg.ClientBase, { lane, from, limit }: LogRangeRequest): Promise<Answer<LogReply>> {
  const head = await readHead(client, lane);
  const found = await readRange(client, lane, from, Math.min(limit, MAX_RANGE));
  const bodies = fitting(
    found.map(({ delivery }) => delivery),
    (index) => headBytes(found[index]),
  );
  return { head: { events: found.slice(0, bodies.length).map(({ event }) => event), head }, bodies };
}

const headBytes = (logged: LoggedEvent | undefined): number => (logged ? eventHeadBytes(logged.event) : 0);

async function places(client: pg.ClientBase, { places }: LogGetRequest): Promise<Answer<LogReply>> {
  const bodies = fitting(await readPlaces(client, places.slice(0, MAX_PLACES)), nothing);
  return { head: { count: bodies.length }, bodies };
}
