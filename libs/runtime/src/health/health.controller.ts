import { Controller, Get, Header, HttpException, Inject } from '@nestjs/common';
import { metricsRegistry } from '../metrics/metrics.js';
import { Health, type Liveness, type Readiness } from './health.js';

/**
 * `/livez`: whether the event loop and the writers work, otherwise restart the process. `/readyz`: whether to send
 * work, and why not. `/metrics`: Prometheus text.
 */
@Controller()
export class HealthController {
  constructor(@Inject(Health) private readonly health: Health) {}

  @Get('livez')
  livez(): Liveness {
    return okOr503(this.health.liveness(), 'alive');
  }

  @Get('readyz')
  readyz(): Readiness {
    return okOr503(this.health.readiness(), 'ready');
  }

  @Get('metrics')
  @Header('Content-Type', metricsRegistry.contentType)
  metrics(): Promise<string> {
    return metricsRegistry.metrics();
  }
}

function okOr503<Answer extends { status: string }>(answer: Answer, good: Answer['status']): Answer {
  if (answer.status === good) return answer;
  throw new HttpException(answer, 503);
}
