import { Module, type FactoryProvider } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Bus, CONFIG_TOKEN, DedicatedConnection, LOGGER_TOKEN, type Logger } from '@huizhi/runtime';
import type { MessageConfig } from './config.js';
import { dataSource, SCHEMA } from './database.js';
import { DirectoryController } from './directory/directory.controller.js';
import { Directory } from './directory/directory.js';
import { User } from './directory/user.entity.js';
import { buildConversations } from './lanes/build.js';
import { Conversations } from './lanes/conversations.js';
import { Lifecycle } from './lifecycle.js';
import { HistoryReader } from './reads/history-reader.js';
import { LogReader } from './reads/log-reader.js';
import { MembersReader } from './reads/members-reader.js';
import { Readers } from './reads/readers.js';
import { WriterConnection } from './writer-connection.js';
import './failpoints.js';

const connectionOptions = (config: MessageConfig, role: string) => ({
  url: config.MESSAGE_DATABASE_URL,
  schema: SCHEMA,
  applicationName: `${config.INSTANCE_ID} ${role}`,
});

const writerConnection: FactoryProvider = {
  provide: WriterConnection,
  inject: [CONFIG_TOKEN],
  useFactory: (config: MessageConfig) => new WriterConnection(connectionOptions(config, 'writer')),
};

const readers: FactoryProvider = {
  provide: Readers,
  inject: [CONFIG_TOKEN],
  useFactory: (config: MessageConfig) =>
    new Readers(
      new DedicatedConnection(connectionOptions(config, 'log')),
      new DedicatedConnection(connectionOptions(config, 'history')),
    ),
};

const logReader: FactoryProvider = {
  provide: LogReader,
  inject: [Bus, Readers, LOGGER_TOKEN],
  useFactory: (bus: Bus, { log: connection }: Readers, log: Logger) => new LogReader(bus, connection, log),
};

const membersReader: FactoryProvider = {
  provide: MembersReader,
  inject: [Bus, Readers, LOGGER_TOKEN],
  useFactory: (bus: Bus, { log: connection }: Readers, log: Logger) => new MembersReader(bus, connection, log),
};

const historyReader: FactoryProvider = {
  provide: HistoryReader,
  inject: [Bus, Readers, LOGGER_TOKEN],
  useFactory: (bus: Bus, { history }: Readers, log: Logger) => new HistoryReader(bus, history, log),
};

const conversations: FactoryProvider = {
  provide: Conversations,
  inject: [CONFIG_TOKEN, WriterConnection, Bus, LOGGER_TOKEN],
  useFactory: buildConversations,
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
  providers: [writerConnection, readers, logReader, membersReader, historyReader, conversations, Directory, Lifecycle],
})
export class MessageModule {}
