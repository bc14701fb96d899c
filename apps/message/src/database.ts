import { dataSourceOptions, type DatabaseOptions, type SessionCheckOptions } from '@huizhi/database';
import type { DataSourceOptions } from 'typeorm';
import type { MessageConfig } from './config.js';
import { User } from './directory/user.entity.js';
import { First1700000000000 } from './migrations/1700000000000-first.js';
import { Refuse1700000002000 } from './migrations/1700000002000-refuse.js';

export const SCHEMA = 'message';

export const databaseOptions = (url: string, instance: string): DatabaseOptions => ({
  url,
  schema: SCHEMA,
  entities: [User],
  migrations: [First1700000000000, Refuse1700000002000],
  applicationName: instance,
});

export const sessionCheck = (config: MessageConfig): SessionCheckOptions => ({
  url: config.HZ_MESSAGE_DATABASE_URL,
  schema: SCHEMA,
  applicationName: config.HZ_INSTANCE_ID,
});

export const dataSource = (config: MessageConfig): DataSourceOptions =>
  dataSourceOptions(databaseOptions(config.HZ_MESSAGE_DATABASE_URL, config.HZ_INSTANCE_ID));
