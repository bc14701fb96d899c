import { counter, histogram } from '@huizhi/runtime';

/** Sends by what was said of them. A resend of a stored message counts as stored. */
export const sendsSettled = counter({
  name: 'hz_message_sends_total',
  help: 'Sends decided, by result; silent: nothing could be said, the gateway asks again',
  labels: { result: ['stored', 'refused', 'silent'] },
});

export const commitSeconds = histogram({
  name: 'hz_message_commit_seconds',
  help: 'From taking a batch of sends to its commit',
});

export const commitSends = histogram(
  { name: 'hz_message_commit_sends', help: 'Sends per transaction' },
  [1, 2, 5, 10, 20, 50, 100, 200, 500],
);
