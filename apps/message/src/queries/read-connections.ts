import type { DedicatedConnection } from '@huizhi/database';

/** Connections for reading, apart from the writer's, so that a long backlog delays no receipt and history no backlog. */
export class ReadConnections {
  constructor(
    readonly log: DedicatedConnection,
    readonly history: DedicatedConnection,
  ) {}

  async close(): Promise<void> {
    await Promise.all([this.log.close(), this.history.close()]);
  }
}
