import { runService } from '@huizhi/runtime';
import { pushConfig } from './config.js';
import { PushModule } from './push.module.js';

await runService({ name: 'push', config: pushConfig, module: PushModule });
