import { runService } from '@huizhi/runtime';
import { mediaConfig } from './config.js';
import { MediaModule } from './media.module.js';

await runService({ name: 'media', config: mediaConfig, module: MediaModule });
