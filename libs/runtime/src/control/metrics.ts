import { counter } from '../metrics/metrics.js';

export const controlRequests = counter({
  name: 'hz_control_requests_total',
  help: 'Control-plane requests by outcome; `unready` and `busy` were refused before their handler ran',
  labels: { outcome: ['answered', 'refused', 'failed', 'timeout', 'busy', 'unready', 'malformed'] },
});
