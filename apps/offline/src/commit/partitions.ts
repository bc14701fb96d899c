import { type Logger } from '@huizhi/runtime';
import { type DedicatedConnection } from '@huizhi/database';
import { createPartitions, dropPartition, readDays, readExpired } from '../sql/partitions.js';

export interface PartitionsOptions {
  /** Where the writer works: for creating, which is quick. */
  readonly connection: DedicatedConnection;
  /** A connection without a time limit, made for dropping and closed after it. */
  connectForLong(): DedicatedConnection;
  readonly retentionDays: number;
  readonly log: Logger;
}

/**
 * Inboxes lie in day partitions: dropping one costs nothing, deleting its rows would cost more than writing them did. Partitions
 * are made a day ahead, each hour, and before any lane is taken: so a failed insert, which forgets the lane, mends itself.
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

  /** Drops what is older than the retention; the heads of its users are kept. */
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
