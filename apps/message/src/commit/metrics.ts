import { counter, histogram } from '@huizhi/runtime';

/** Sends by result. A resend of a stored message counts as `stored`. */
export const sendsSettled = counter({
  name: 'hz_message_sends_total',
  help: 'Sends decided, by result; silent: the outcome is unknown and the gateway repeats the batch',
  labels: { result: ['stored', 'refused', 'silent'] },
});

export const commitSeconds = histogram({
  name: 'hz_message_commit_seconds',
  help: 'Seconds from taking sends out of the queue until they are committed',
});

export const commitSends = histogram(
  { name: 'hz_message_commit_sends', help: 'Sends per transaction' },
  [1, 2, 5, 10, 20, 50, 100, 200, 500],
);
