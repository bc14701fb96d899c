import { counter, histogram } from '@huizhi/runtime';

/** Counters and histograms of this service; OfflineService registers the gauges. */
export const committedRuns = counter({
  name: 'hz_offline_committed_runs_total',
  help: 'Runs of events received from the bus: applied by all held inbox lanes, or behind (a gap, or a full queue)',
  labels: { outcome: ['applied', 'behind'] },
});
export const repairs = counter({
  name: 'hz_offline_repairs_total',
  help: 'Ranges read from the log',
  labels: { outcome: ['read', 'failed'] },
});
export const memberRequests = counter({
  name: 'hz_offline_member_requests_total',
  help: 'Requests for the members of groups',
  labels: { outcome: ['answered', 'failed'] },
});
export const entries = counter({ name: 'hz_offline_entries_total', help: 'Inbox entries committed' });
export const deliveries = counter({ name: 'hz_offline_deliveries_total', help: 'Live entries sent to gateways' });
export const transactions = counter({
  name: 'hz_offline_transactions_total',
  help: 'Transactions by outcome',
  labels: { outcome: ['committed', 'failed'] },
});
export const transactionSeconds = histogram({
  name: 'hz_offline_transaction_seconds',
  help: 'Seconds from the beginning of a transaction to its commit',
});
export const transactionRows = histogram(
  { name: 'hz_offline_transaction_rows', help: 'Inbox entries per transaction' },
  [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000],
);
export const openings = counter({
  name: 'hz_offline_sessions_opened_total',
  help: 'Logins',
  labels: { outcome: ['opened', 'repeated', 'refused', 'revoked', 'overtaken'] },
});
export const kicks = counter({
  name: 'hz_offline_kicks_total',
  help: 'Sessions ended by a newer login or a revocation',
});
export const revocations = counter({ name: 'hz_offline_revocations_total', help: 'Users whose tokens were revoked' });
export const cursors = counter({
  name: 'hz_offline_cursors_total',
  help: 'Cursors received from gateways',
  labels: { outcome: ['stored', 'repeated', 'refused', 'dropped'] },
});
export const fetches = counter({
  name: 'hz_offline_fetches_total',
  help: 'Requests for parts of inboxes',
  labels: { outcome: ['answered', 'refused', 'unavailable'] },
});
export const fetchedEntries = counter({
  name: 'hz_offline_fetched_entries_total',
  help: 'Inbox entries in replies to fetches',
});
