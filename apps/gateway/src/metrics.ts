import { closeTable, errorTable, upSchemas, type CloseName, type ErrorName } from '@huizhi/protocol';
import { metricsRegistry } from '@huizhi/runtime';
import { Counter } from 'prom-client';
import { httpRefusals as httpRefusalTable } from './connection/http-answers.js';

/** A counter with one label. Counting is one addition on the hot path; the scrape copies the values. */
export class Tally<Value extends string> {
  readonly counts: Record<Value, number>;

  constructor(name: string, help: string, label: string, values: readonly Value[]) {
    const counts = Object.fromEntries(values.map((value) => [value, 0])) as Record<Value, number>;
    this.counts = counts;
    new Counter({
      name,
      help,
      labelNames: [label],
      registers: [metricsRegistry],
      collect() {
        this.reset();
        for (const value of values) this.inc({ [label]: value }, counts[value]);
      },
    });
  }

  add(value: Value, by = 1): void {
    this.counts[value] += by;
  }
}

const keys = <T extends object>(table: T): (keyof T & string)[] => Object.keys(table) as (keyof T & string)[];

export const framesIn = new Tally('hz_gateway_frames_in_total', 'Frames read from clients', 'type', [
  ...keys(upSchemas),
  'refused',
]);
export const receipts = new Tally<'stored' | ErrorName>(
  'hz_gateway_receipts_total',
  'Sends settled, by the result sent to their sender',
  'result',
  ['stored', ...keys(errorTable)],
);
export const deliveries = new Tally('hz_gateway_deliveries_total', 'Inbox entries written to clients', 'how', [
  'live',
  'batch',
  'again',
]);
export const closes = new Tally<CloseName | 'client'>(
  'hz_gateway_closes_total',
  'Connections ended, by close name',
  'name',
  [...keys(closeTable), 'client'],
);
export const refusedConnections = new Tally(
  'hz_gateway_refused_connections_total',
  'Connections ended before the end of TLS, by limit; proxyHeader: a trusted proxy sent no valid PROXY header',
  'limit',
  ['connections', 'address', 'rate', 'handshake', 'proxyHeader'],
);
export const httpRefusals = new Tally(
  'hz_gateway_http_refusals_total',
  'HTTP requests on the client port that did not become a WebSocket, by reason',
  'reason',
  keys(httpRefusalTable),
);
export const logins = new Tally<'ok' | ErrorName>('hz_gateway_logins_total', 'Logins by result', 'result', [
  'ok',
  ...keys(errorTable),
]);
export const resyncs = new Tally(
  'hz_gateway_resyncs_total',
  'Number of times all sessions were attached again',
  'reason',
  ['hole', 'bus', 'reconcile'],
);
export const writes = new Tally('hz_gateway_writes_total', 'Writes to sockets and the frames in them', 'what', [
  'writes',
  'frames',
]);
