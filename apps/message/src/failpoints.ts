import { declareFailpoints } from '@huizhi/runtime';

declareFailpoints('message.before-commit', 'message.after-commit', 'message.after-receipts');
