import { counter } from '../metrics/metrics.js';

export const published = counter({ name: 'hz_bus_published_total', help: 'Payloads published on the bus' });

export const dropped = counter({
  name: 'hz_bus_dropped_total',
  help: 'Payloads dropped instead of buffered',
  labels: { reason: ['disconnected', 'stalled'] },
});

export const received = counter({ name: 'hz_bus_received_total', help: 'Payloads handed to a handler' });

export const handlerErrors = counter({ name: 'hz_bus_handler_errors_total', help: 'Exceptions of bus handlers' });

export const requestOutcomes = counter({
  name: 'hz_bus_requests_total',
  help: 'Requests over the bus by outcome',
  labels: { outcome: ['answered', 'timeout', 'no_responders', 'disconnected', 'overloaded'] },
});

export const connections = counter({
  name: 'hz_bus_connections_total',
  help: 'Connections made to the bus',
});
