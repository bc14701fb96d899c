import { Module, type FactoryProvider } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Bus, CONFIG_TOKEN, LOGGER_TOKEN, type Logger } from '@huizhi/runtime';
import { DedicatedConnection } from '@huizhi/database';
import type { MessageConfig } from './config.js';
import { dataSource, SCHEMA } from './database.js';
import { DirectoryController } from './directory/directory.controller.js';
import { Directory } from './directory/directory.js';
import { User } from './directory/user.entity.js';
import { buildCommitLoop } from './commit/build.js';
import { CommitLoop } from './commit/commit-loop.js';
import { Lifecycle } from './lifecycle.js';
import { HistoryQueryHandler } from './queries/history-queries.js';
import { LogQueryHandler } from './queries/log-queries.js';
import { MembersQueryHandler } from './queries/members-queries.js';
import { ReadConnections } from './queries/read-connections.js';
import { WriterConnection } from './writer-connection.js';
import './failpoints.js';

const connectionOptions = (config: MessageConfig, role: string) => ({
  url: config.HZ_MESSAGE_DATABASE_URL,
  schema: SCHEMA,
  applicationName: `${config.HZ_INSTANCE_ID} ${role}`,
});

const writerConnection: FactoryProvider = {
  provide: WriterConnection,
  inject: [CONFIG_TOKEN],
  useFactory: (config: MessageConfig) => new WriterConnection(connectionOptions(config, 'writer')),
};

const readConnections: FactoryProvider = {
  provide: ReadConnections,
  inject: [CONFIG_TOKEN],
  useFactory: (config: MessageConfig) =>
    new ReadConnections(
      new DedicatedConnection(connectionOptions(config, 'log')),
      new DedicatedConnection(connectionOptions(config, 'history')),
    ),
};

const logQueries: FactoryProvider = {
  provide: LogQueryHandler,
  inject: [Bus, ReadConnections, LOGGER_TOKEN],
  useFactory: (bus: Bus, { log: connection }: ReadConnections, log: Logger) =>
    new LogQueryHandler(bus, connection, log),
};

const membersQueries: FactoryProvider = {
  provide: MembersQueryHandler,
  inject: [Bus, ReadConnections, LOGGER_TOKEN],
  useFactory: (bus: Bus, { log: connection }: ReadConnections, log: Logger) =>
    new MembersQueryHandler(bus, connection, log),
};

const historyQueries: FactoryProvider = {
  provide: HistoryQueryHandler,
  inject: [Bus, ReadConnections, LOGGER_TOKEN],
  useFactory: (bus: Bus, { history }: ReadConnections, log: Logger) => new HistoryQueryHandler(bus, history, log),
};

const commitLoop: FactoryProvider = {
  provide: CommitLoop,
  inject: [CONFIG_TOKEN, WriterConnection, Bus, LOGGER_TOKEN],
  useFactory: buildCommitLoop,
};

@Module({
  imports: [
    TypeOrmModule.forRootAsync({
      inject: [CONFIG_TOKEN],
      useFactory: (config: MessageConfig) => ({ ...dataSource(config), manualInitialization: true }),
    }),
    TypeOrmModule.forFeature([User]),
  ],
  controllers: [DirectoryController],
  providers: [
    writerConnection,
    readConnections,
    logQueries,
    membersQueries,
    historyQueries,
    commitLoop,
    Directory,
    Lifecycle,
  ],
})
export class MessageModule {}
