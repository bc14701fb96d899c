import { verifyHistoryCommand } from './verify-history-command.js';

await verifyHistoryCommand().parseAsync();
