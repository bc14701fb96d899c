import { declareFailpoints, failpointAsync, FailpointError } from '@huizhi/runtime';
import { CommitUnknownError } from '@huizhi/database';

declareFailpoints(
  'offline.before-commit',
  'offline.after-commit',
  'offline.after-delivery',
  'offline.commit-outcome-lost',
  'offline.before-events',
);
// Seeded bugs that the history checker must find; see docs/decisions/crashes.md.
declareFailpoints('bug.confirm-unstored', 'bug.cursor-reader', 'bug.user-wide-cursor');

/** Simulates a lost answer to COMMIT: the transaction is committed, but the writer does not know it. */
export async function loseCommitOutcome(): Promise<void> {
  try {
    await failpointAsync('offline.commit-outcome-lost');
  } catch (error) {
    if (!(error instanceof FailpointError)) throw error;
    throw new CommitUnknownError('COMMIT was sent, its outcome is unknown', { cause: error });
  }
}
