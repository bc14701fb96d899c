import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Health, InjectConfig, InjectLogger, Shutdown, type Logger } from '@huizhi/runtime';
import { assertDirectSession, assertMigrated, DatabaseProbe, startWhenPossible } from '@huizhi/database';
import { DataSource } from 'typeorm';
import type { MessageConfig } from './config.js';
import { sessionCheck } from './database.js';
import { CommitLoop } from './commit/commit-loop.js';
import { HistoryQueryHandler } from './queries/history-queries.js';
import { LogQueryHandler } from './queries/log-queries.js';
import { MembersQueryHandler } from './queries/members-queries.js';
import { ReadConnections } from './queries/read-connections.js';
import { WriterConnection } from './writer-connection.js';

/** Order of start and shutdown of the service. */
@Injectable()
export class Lifecycle implements OnApplicationBootstrap {
  private listening = false;
  private readonly probes: Readonly<Record<'writer' | 'directory', DatabaseProbe>>;

  constructor(
    private readonly database: DataSource,
    private readonly connection: WriterConnection,
    private readonly readConnections: ReadConnections,
    private readonly commitLoop: CommitLoop,
    private readonly logQueries: LogQueryHandler,
    private readonly membersQueries: MembersQueryHandler,
    private readonly historyQueries: HistoryQueryHandler,
    private readonly health: Health,
    private readonly shutdown: Shutdown,
    @InjectConfig() private readonly config: MessageConfig,
    @InjectLogger() private readonly log: Logger,
  ) {
    this.probes = {
      writer: new DatabaseProbe({
        statement: () => connection.check(),
        connected: () => connection.connected,
      }),
      directory: new DatabaseProbe({ statement: () => database.query('select') }),
    };
  }

  onApplicationBootstrap(): void {
    const { keeper } = this.commitLoop;
    for (const [name, probe] of Object.entries(this.probes)) this.health.addReadinessCheck(name, () => probe.status());
    this.health.addReadinessCheck('lanes', () => keeper.status());
    this.health.addLivenessCheck('lanes', () => keeper.stallStatus());
    this.shutdown.on('work', 'lanes', () => keeper.stop());
    this.shutdown.on('database', 'connections', () => this.close());
    void startWhenPossible('database', { log: this.log, health: this.health, signal: this.shutdown.signal }, () =>
      this.start(),
    );
  }

  private async start(): Promise<void> {
    await assertDirectSession(sessionCheck(this.config));
    if (!this.database.isInitialized) await this.database.initialize();
    await assertMigrated(this.database);
    this.listen();
    await this.commitLoop.keeper.start();
    for (const probe of Object.values(this.probes)) probe.start();
  }

  /**
   * Called before lanes are taken: offline instances query the log and members as soon as a new owner is announced.
   * Subscribes once, although `start` is retried.
   */
  private listen(): void {
    if (this.listening) return;
    this.listening = true;
    this.logQueries.listen();
    this.membersQueries.listen();
    this.historyQueries.listen();
  }

  private async close(): Promise<void> {
    for (const probe of Object.values(this.probes)) probe.stop();
    await Promise.all([this.connection.close(), this.readConnections.close()]);
    if (this.database.isInitialized) await this.database.destroy();
  }
}
