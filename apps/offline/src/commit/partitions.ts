import { type Logger } from '@huizhi/runtime';
import { type DedicatedConnection } from '@huizhi/database';
import { createPartitions, dropPartition, readDays, readExpired } from '../sql/partitions.js';

export interface PartitionsOptions {
  /** The writer's connection; creating partitions is fast. */
  readonly connection: DedicatedConnection;
  /** Opens a connection without a statement timeout for dropping partitions; it is closed afterwards. */
  connectForLong(): DedicatedConnection;
  readonly retentionDays: number;
  readonly log: Logger;
}

/**
 * The inbox has one partition per day: dropping a partition is much cheaper than deleting its rows. Partitions are
 * created one day ahead, every hour and before any lane is taken. So an insert that fails for lack of one, which
 * forgets the lane, succeeds later.
 */
export class Partitions {
  constructor(private readonly options: PartitionsOptions) {}

  async ensure(): Promise<void> {
    const { connection, log } = this.options;
    const days = await connection.exclusive(readDays);
    if (days.every((day) => day.present)) return;
    const created = await connection.transaction(createPartitions);
    if (created.length > 0) log.info('partitions.created', { tables: created });
  }

  /** Drops partitions older than the retention, and keeps the heads of their users. */
  async dropExpired(): Promise<string[]> {
    const connection = this.options.connectForLong();
    const dropped: string[] = [];
    try {
      for (const table of await connection.exclusive((client) => readExpired(client, this.options.retentionDays))) {
        if (await connection.transaction((client) => dropPartition(client, table))) dropped.push(table);
      }
    } finally {
      await connection.close();
    }
    if (dropped.length > 0) this.options.log.info('partitions.dropped', { tables: dropped });
    return dropped;
  }
}
