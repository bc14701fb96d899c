import { runService } from '@huizhi/runtime';
import { messageConfig } from './config.js';
import { MessageModule } from './message.module.js';

await runService({ name: 'message', config: messageConfig, module: MessageModule });
