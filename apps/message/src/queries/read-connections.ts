import type { DedicatedConnection } from '@huizhi/database';

/** Separate connections for reads: log reads do not delay the writer, and history reads do not delay log reads. */
export class ReadConnections {
  constructor(
    readonly log: DedicatedConnection,
    readonly history: DedicatedConnection,
  ) {}

  async close(): Promise<void> {
    await Promise.all([this.log.close(), this.history.close()]);
  }
}
