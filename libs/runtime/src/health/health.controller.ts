import { Controller, Get, Header, HttpException, Inject } from '@nestjs/common';
import { metricsRegistry } from '../metrics/metrics.js';
import { Health, type Readiness } from './health.js';

/** `/livez`: the event loop turns. `/readyz`: send work, or not and why. `/metrics`: Prometheus text. */
@Controller()
export class HealthController {
  constructor(@Inject(Health) private readonly health: Health) {}

  @Get('livez')
  livez(): { status: 'alive' } {
    return { status: 'alive' };
  }

  @Get('readyz')
  readyz(): Readiness {
    return readyOr503(this.health.readiness());
  }

  @Get('metrics')
  @Header('Content-Type', metricsRegistry.contentType)
  metrics(): Promise<string> {
    return metricsRegistry.metrics();
  }
}

function readyOr503(readiness: Readiness): Readiness {
  if (readiness.status === 'ready') return readiness;
  throw new HttpException(readiness, 503);
}
