import { firstValueFrom, timeout, TimeoutError } from 'rxjs';
import { Backoff, pause } from '../backoff.js';
import { natsServers } from '../bus/nats-url.js';
import { ControlError } from './control-error.js';
import { ControlNatsClient } from './control-transport.js';

export interface ControlRequestOptions {
  /** For each attempt, milliseconds. Default 2,000. */
  readonly timeoutMs?: number;
  /** Default 2. Commands must therefore be idempotent, or ask for 1. */
  readonly attempts?: number;
}

/** Asks other services over the control plane. Connects when first used. */
export class ControlClient {
  private readonly client: ControlNatsClient;

  constructor(natsUrl: string, name: string) {
    this.client = new ControlNatsClient({
      ...natsServers(natsUrl),
      name: `${name} control client`,
      noAsyncTraces: true,
      timeout: 2_000,
      pingInterval: 2_000,
      maxPingOut: 2,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 200,
      ignoreAuthErrorAbort: true,
    });
  }

  /**
   * Tries again after a timeout or when nobody is there; an error that the other side answered is final.
   * @throws ControlError
   */
  async request<Reply>(pattern: string, data: unknown, options: ControlRequestOptions = {}): Promise<Reply> {
    const { timeoutMs = 2_000, attempts = 2 } = options;
    const backoff = new Backoff(100, 1_000);
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await firstValueFrom(this.client.send<Reply, unknown>(pattern, data).pipe(timeout(timeoutMs)));
      } catch (thrown) {
        const error = controlError(thrown, pattern, timeoutMs);
        const again = error.code === 'timeout' || error.code === 'unavailable';
        if (!again || attempt >= attempts) throw error;
      }
      await pause(backoff.next());
    }
  }

  async close(): Promise<void> {
    await this.client.close();
  }
}

function controlError(thrown: unknown, pattern: string, timeoutMs: number): ControlError {
  if (thrown instanceof TimeoutError) return new ControlError('timeout', `${pattern}: no answer in ${timeoutMs} ms`);
  // Nest hands on what the other side threw as plain data: exceptions of ours keep their code, others are "internal".
  if (typeof thrown === 'object' && thrown !== null && !(thrown instanceof Error)) {
    const { code, message } = thrown as { code?: unknown; message?: unknown };
    return new ControlError(
      typeof code === 'string' ? code : 'internal',
      `${pattern}: ${typeof message === 'string' ? message : 'the other side failed'}`,
      { cause: thrown },
    );
  }
  const name = thrown instanceof Error ? thrown.name : String(thrown);
  return new ControlError('unavailable', `${pattern}: nobody answers (${name})`, { cause: thrown });
}
