import { runService } from '@huizhi/runtime';
import { gatewayConfig } from './config.js';
import { GatewayModule } from './gateway.module.js';

await runService({ name: 'gateway', config: gatewayConfig, module: (runtime) => GatewayModule.start(runtime) });
