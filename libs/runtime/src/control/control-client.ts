import { randomUUID } from 'node:crypto';
import { commands, type CommandName, type ControlAnswer, type ControlCommands } from '@huizhi/protocol';
import { ClientProxy, type ReadPacket, type WritePacket } from '@nestjs/microservices';
import { firstValueFrom } from 'rxjs';
import { Backoff, pause } from '../backoff.js';
import type { Bus } from '../bus/bus.js';
import { BusTimeoutError } from '../bus/errors.js';
import { ControlError } from './control-error.js';

export interface ControlRequestOptions {
  /** Timeout of each attempt in milliseconds. Default 2,000. */
  readonly timeoutMs?: number;
  /** Default 2, so a command must be idempotent unless its caller sets 1. */
  readonly attempts?: number;
}

/** Data of a request of {@link BusClientProxy}, with its timeout. */
class ControlRecord {
  constructor(
    readonly data: unknown,
    readonly timeoutMs: number,
  ) {}
}

/** Nest's client of the control plane on the bus connection of the process. */
class BusClientProxy extends ClientProxy {
  constructor(private readonly bus: Bus) {
    super();
  }

  /** Does nothing: the bus connects by itself. */
  async connect(): Promise<void> {}

  close(): void {}

  unwrap<T>(): T {
    return this.bus as T;
  }

  protected publish({ pattern, data: record }: ReadPacket, callback: (packet: WritePacket) => void): () => void {
    const { data, timeoutMs } = record as ControlRecord;
    const subject = pattern as string;
    const payload = JSON.stringify({ pattern: subject, data, id: randomUUID() });
    this.bus.request(subject, payload, { timeoutMs }).then(
      (answer) => callback(read(answer)),
      (err: unknown) => callback({ err, isDisposed: true }),
    );
    return () => undefined;
  }

  protected dispatchEvent(): Promise<never> {
    return Promise.reject(new Error('the control plane has requests only'));
  }
}

function read(answer: Uint8Array): WritePacket {
  try {
    const { err, response = null } = JSON.parse(new TextDecoder().decode(answer)) as ControlAnswer;
    return err ? { err: new ControlError(err.code, err.message), isDisposed: true } : { response, isDisposed: true };
  } catch (err) {
    return { err, isDisposed: true };
  }
}

/** Client of the control plane for commands of other services. */
export class ControlClient {
  private readonly proxy: BusClientProxy;

  constructor(bus: Bus) {
    this.proxy = new BusClientProxy(bus);
  }

  /** Typed form of {@link send}. @throws ControlError */
  request<Name extends CommandName>(
    command: Name,
    data: ControlCommands[Name]['request'],
    options: ControlRequestOptions = {},
  ): Promise<ControlCommands[Name]['reply']> {
    return this.send(commands[command], data, options);
  }

  /**
   * Repeats the request after a timeout and after `unavailable`; every other error is final.
   * @throws ControlError
   */
  async send<Reply>(subject: string, data: unknown, options: ControlRequestOptions = {}): Promise<Reply> {
    const { timeoutMs = 2_000, attempts = 2 } = options;
    const backoff = new Backoff(100, 1_000);
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await firstValueFrom(this.proxy.send<Reply, ControlRecord>(subject, new ControlRecord(data, timeoutMs)));
      } catch (thrown) {
        const error = controlError(thrown, subject);
        const again = error.code === 'timeout' || error.code === 'unavailable';
        if (!again || attempt >= attempts) throw error;
      }
      await pause(backoff.next());
    }
  }
}

function controlError(thrown: unknown, subject: string): ControlError {
  if (thrown instanceof ControlError) return new ControlError(thrown.code, `${subject}: ${thrown.message}`);
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  if (thrown instanceof BusTimeoutError) return new ControlError('timeout', message, { cause: thrown });
  return new ControlError('unavailable', `${subject}: no ready instance answers (${message})`, { cause: thrown });
}
