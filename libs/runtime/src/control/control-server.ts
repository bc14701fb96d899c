import { ProtocolError, type ControlAnswer, type ControlRequest } from '@huizhi/protocol';
import { Server, type CustomTransportStrategy, type MessageHandler } from '@nestjs/microservices';
import { lastValueFrom } from 'rxjs';
import type { Bus } from '../bus/bus.js';
import { QueueMember } from '../bus/queue-member.js';
import { TimeoutError, withTimeout } from '../deferred.js';
import { assertAllHandled } from '../handled.js';
import type { Health } from '../health/health.js';
import type { Logger } from '../log/logger.js';
import { rateLimited } from '../log/rate-limited.js';
import { failureOf } from './control-error.js';
import { controlRequests } from './metrics.js';

export interface ControlServerOptions {
  readonly bus: Bus;
  readonly health: Health;
  readonly log: Logger;
  /** Queue group: the name of the service. */
  readonly queue: string;
  /** Subjects of the commands that this service must answer. */
  readonly commands: readonly string[];
  /** Limit of requests in progress; the next one is answered `unavailable`. Default 256. */
  readonly maxUnderWay?: number;
  /** Time after which a request is answered `unavailable`, in milliseconds. Default 10,000. */
  readonly timeoutMs?: number;
}

/** Time for requests in progress during shutdown, in milliseconds: half of the default bound of the process. */
const DRAIN_MS = 5_000;

/**
 * Nest's server of the control plane on the bus connection of the process.
 *
 * It is in the queue group only while the instance is ready, so that requests go to instances that can carry them out.
 * Every request is answered, also when its handler fails or does not end.
 */
export class ControlServer extends Server implements CustomTransportStrategy {
  private readonly members: QueueMember[] = [];
  private readonly underWay = new Set<Promise<void>>();
  private readonly handled: string[] = [];
  private readonly log: Logger;
  private running = 0;
  private unwatch: (() => void) | undefined;

  constructor(private readonly options: ControlServerOptions) {
    super();
    this.log = rateLimited(options.log);
  }

  override addHandler(pattern: string, handler: MessageHandler, isEvent?: boolean, extras?: object): void {
    // The map of the base class keeps only one handler per pattern.
    this.handled.push(pattern);
    super.addHandler(pattern, handler, isEvent, extras);
  }

  /** @throws UnhandledSubjectsError when a declared command has not exactly one handler */
  assertComplete(): void {
    assertAllHandled(this.options.commands, this.handled, 'command');
  }

  listen(listening: (error?: unknown) => void): void {
    const { bus, health, queue, commands } = this.options;
    for (const command of commands) {
      const accept = (payload: Uint8Array, _: string, reply?: string): void => this.accept(command, payload, reply);
      this.members.push(new QueueMember(bus, command, queue, accept));
    }
    this.unwatch = health.onReadiness((ready) => this.take(ready));
    listening();
  }

  /** Accepts no new request, and resolves when those in progress are answered or after DRAIN_MS. */
  async close(): Promise<void> {
    this.unwatch?.();
    this.take(false);
    await withTimeout(Promise.all(this.underWay), DRAIN_MS, 'requests under way').catch(() => undefined);
  }

  on(): never {
    throw new Error('the control server has no events of its own');
  }

  unwrap<T>(): T {
    return this.options.bus as T;
  }

  private take(ready: boolean): void {
    for (const member of this.members) member.set(ready);
  }

  private accept(command: string, payload: Uint8Array, reply: string | undefined): void {
    const request = requestIn(payload);
    if (!request) {
      const error = new ProtocolError('badField', 'the request is not JSON of a known shape');
      return this.respond(reply, 'malformed', { id: '', isDisposed: true, err: failureOf(error) });
    }
    const { id, data } = request;
    const refusal = this.refusal();
    if (refusal) {
      const err = { code: 'unavailable', message: refusal.message };
      return this.respond(reply, refusal.outcome, { id, isDisposed: true, err });
    }
    const work = this.carryOut(command, data, id, reply).finally(() => this.underWay.delete(work));
    this.underWay.add(work);
  }

  /** Needed because a request can arrive before the NATS server has processed the unsubscribe. */
  private refusal(): { outcome: 'unready' | 'busy'; message: string } | undefined {
    const { health, maxUnderWay = 256 } = this.options;
    if (!health.isReady) return { outcome: 'unready', message: 'this instance is not ready' };
    if (this.running >= maxUnderWay) return { outcome: 'busy', message: 'too many requests are under way here' };
    return undefined;
  }

  private async carryOut(command: string, data: unknown, id: string, reply: string | undefined): Promise<void> {
    const { timeoutMs = 10_000 } = this.options;
    try {
      const response = await withTimeout(this.run(command, data), timeoutMs, command);
      this.respond(reply, 'answered', { id, isDisposed: true, response });
    } catch (error) {
      this.respond(reply, this.outcomeOf(command, error), { id, isDisposed: true, err: failureOf(error) });
    }
  }

  /** Counts a request as in progress until its handler ends, even if its caller was answered before. */
  private async run(command: string, data: unknown): Promise<unknown> {
    this.running += 1;
    try {
      const outcome: unknown = await this.messageHandlers.get(command)?.(data);
      return await lastValueFrom(this.transformToObservable(outcome), { defaultValue: undefined });
    } finally {
      this.running -= 1;
    }
  }

  private outcomeOf(command: string, error: unknown): 'refused' | 'timeout' | 'failed' {
    if (error instanceof ProtocolError) return 'refused';
    this.log.warn('control.failed', { command, error });
    return error instanceof TimeoutError ? 'timeout' : 'failed';
  }

  private respond(reply: string | undefined, outcome: string, answer: ControlAnswer): void {
    controlRequests.inc({ outcome });
    if (reply === undefined) return;
    try {
      this.options.bus.respond(reply, JSON.stringify(answer));
    } catch (error) {
      // The answer is too large for the bus or cannot be serialized.
      this.log.error('control.unanswerable', { error });
      this.options.bus.respond(reply, JSON.stringify({ ...answer, response: undefined, err: failureOf(error) }));
    }
  }
}

function requestIn(payload: Uint8Array): ControlRequest | undefined {
  try {
    const { id, data } = JSON.parse(new TextDecoder().decode(payload)) as Partial<ControlRequest>;
    return typeof id === 'string' ? { pattern: '', id, data } : undefined;
  } catch {
    return undefined;
  }
}
