import { declareFailpoints } from '@huizhi/runtime';

declareFailpoints('message.before-commit', 'message.after-commit', 'message.after-receipts');
// Seeded bug that the history checker must find; see docs/decisions/crashes.md.
declareFailpoints('bug.ack-before-commit');
