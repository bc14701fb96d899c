import { Module, type DynamicModule } from '@nestjs/common';
import type { Runtime } from '@huizhi/runtime';
import type { GatewayConfig } from './config.js';
import { Gateway } from './gateway.js';

/**
 * The gateway service:
 *
 *   clients ── TLS ── connection ── router ── commands ──┬─ sends ────── hz.send.<lane>, hz.receipts.<gateway>
 *                      (frames, limits, writer)           ├─ delivery ─── hz.gateway.<gateway>, hz.fetch, hz.cursor
 *                                                         ├─ sessions ─── hz.session.open, attach, close
 *                                                         └─ queries ──── hz.history
 *
 * The hot path does not use Nest; `Gateway` wires it.
 */
@Module({})
export class GatewayModule {
  static async start(runtime: Runtime<GatewayConfig>): Promise<DynamicModule> {
    const gateway = new Gateway(runtime);
    runtime.health.addReadinessCheck('listening', () => (gateway.isListening ? 'ok' : 'does not listen for clients'));
    runtime.shutdown.on('edge', 'clients', () => gateway.stop());
    await gateway.start();
    return { module: GatewayModule, providers: [{ provide: Gateway, useValue: gateway }] };
  }
}
