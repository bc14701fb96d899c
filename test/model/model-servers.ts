import type { CommandName, ControlCommands } from '@huizhi/protocol';
import { Bus, readConfig, silentLogger, type ControlClient } from '@huizhi/runtime';
import { DedicatedConnection } from '@huizhi/database';
import { gatewayConfig } from '../../apps/gateway/src/config.js';
import { Gateway } from '../../apps/gateway/src/gateway.js';
import { SCHEMA as MESSAGE_SCHEMA } from '../../apps/message/src/database.js';
import type { Directory } from '../../apps/message/src/directory/directory.js';
import { buildCommitLoop } from '../../apps/message/src/commit/build.js';
import { HistoryQueryHandler } from '../../apps/message/src/queries/history-queries.js';
import { LogQueryHandler } from '../../apps/message/src/queries/log-queries.js';
import { MembersQueryHandler } from '../../apps/message/src/queries/members-queries.js';
import { OfflineService } from '../../apps/offline/src/offline-service.js';
import '../../apps/message/src/failpoints.js';
import { FaultyBus } from './faulty-bus.js';
import { makeFaulty, type Ending } from './faulty-connection.js';

export const HZ_MESSAGE_LANES = 4;
export const HZ_OFFLINE_LANES = 2;
/** The minimum that services accept; a crash of an owner under another name takes this long. */
export const LEASE_MS = 500;
export const WINDOW = 12;
/**
 * How long a run waits for a condition, in milliseconds. It limits runs that hang; a busy machine may need much of it.
 */
export const PATIENCE_MS = 60_000;

/** The servers and addresses that all services of a test cluster need. */
export interface ModelServers {
  readonly natsUrl: string;
  readonly messageUrl: string;
  readonly offlineUrl: string;
  readonly directory: Directory;
}

/** A running service without its Nest application. */
export interface Running {
  readonly name: string;
  readonly bus: FaultyBus;
  readonly endings: Endings;
  /** An orderly stop: finishes work and releases lanes. */
  stop(): Promise<void>;
  /** Like kill -9: finishes, releases and sends nothing. Resolves when no part of it is left in this process. */
  kill(): Promise<void>;
}

/** The outcomes of a writer's transactions: first those in the list, then random ones. */
export class Endings {
  readonly list: Ending[] = [];
  chance: () => Ending = () => 'pass';

  next(): Ending {
    return this.list.shift() ?? this.chance();
  }

  heal(): void {
    this.list.length = 0;
    this.chance = () => 'pass';
  }
}

async function busFor(servers: ModelServers, name: string): Promise<FaultyBus> {
  const real = Bus.connect({ url: servers.natsUrl, name, log: silentLogger });
  await real.ready();
  return new FaultyBus(real);
}

/** A control client that calls the real directory without Nest's transport. */
const controlOf = (directory: Directory): Pick<ControlClient, 'request'> => ({
  request: async <Name extends CommandName>(command: Name, data: ControlCommands[Name]['request']) => {
    if (command !== 'ensureUser') throw new Error(`the gateway asked for ${command}`);
    return await directory.ensureUser(data.user);
  },
});

export async function startGateway(servers: ModelServers, name: string): Promise<Running & { readonly port: number }> {
  const faulty = await busFor(servers, name);
  const config = readConfig(gatewayConfig, {
    NODE_ENV: 'test',
    HZ_INSTANCE_ID: name,
    HZ_NATS_URL: servers.natsUrl,
    HZ_HTTP_PORT: '0',
    HZ_GATEWAY_PORT: '0',
    HZ_TLS: 'off',
    HZ_AUTH: 'open',
    HZ_MESSAGE_LANES: String(HZ_MESSAGE_LANES),
    HZ_OFFLINE_LANES: String(HZ_OFFLINE_LANES),
    HZ_LOGIN_ATTEMPTS: '10000',
    HZ_FRAMES_PER_SECOND: '10000',
    HZ_WINDOW: String(WINDOW),
    HZ_BATCH_ENTRIES: '4',
    HZ_SEND_LINGER: '1ms',
    HZ_RESEND_AFTER: '100ms',
    HZ_RESEND_MAX: '200ms',
    HZ_REORDER_HOLD: '2s',
    HZ_FETCH_TIMEOUT: '300ms',
    HZ_CURSOR_FLUSH: '1ms',
    HZ_CURSOR_REPEAT: '100ms',
    HZ_CONFIRM_INTERVAL: '1ms',
    HZ_DRAIN_SPREAD: '0s',
    HZ_DRAIN_TIMEOUT: '1s',
  });
  const gateway = new Gateway({ config, bus: faulty.bus, control: controlOf(servers.directory), log: silentLogger });
  await gateway.start();
  const end = async (): Promise<void> => {
    await gateway.stop();
    await faulty.close();
  };
  return {
    name,
    bus: faulty,
    endings: new Endings(),
    port: gateway.port,
    stop: end,
    // The test closes its clients' sockets, so clients and bus lose the gateway at the same moment.
    kill: () => {
      faulty.kill();
      return end();
    },
  };
}

export async function startMessage(servers: ModelServers, name: string): Promise<Running> {
  const faulty = await busFor(servers, name);
  const connect = (role: string): DedicatedConnection =>
    new DedicatedConnection({ url: servers.messageUrl, schema: MESSAGE_SCHEMA, applicationName: `${name} ${role}` });
  const [writer, reader] = [connect('writer'), connect('reader')];
  const endings = new Endings();
  const kills = [makeFaulty(writer, () => endings.next()), makeFaulty(reader, () => 'pass')];
  const config = { HZ_INSTANCE_ID: name, HZ_MESSAGE_LANES, HZ_LEASE: LEASE_MS, HZ_MIN_COMMIT_INTERVAL: 1 };
  const conversations = buildCommitLoop(config, writer, faulty.bus, silentLogger);
  await conversations.keeper.start();
  new LogQueryHandler(faulty.bus, reader, silentLogger).listen();
  new MembersQueryHandler(faulty.bus, reader, silentLogger).listen();
  new HistoryQueryHandler(faulty.bus, reader, silentLogger).listen();
  const stop = async (): Promise<void> => {
    await conversations.keeper.stop();
    await Promise.all([writer.close(), reader.close()]);
    await faulty.close();
  };
  return { name, bus: faulty, endings, stop, kill: () => killing(faulty, kills, stop) };
}

export async function startOffline(servers: ModelServers, name: string): Promise<Running> {
  const faulty = await busFor(servers, name);
  const config = {
    HZ_INSTANCE_ID: name,
    HZ_OFFLINE_DATABASE_URL: servers.offlineUrl,
    HZ_OFFLINE_LANES,
    HZ_MESSAGE_LANES,
    HZ_LEASE: LEASE_MS,
    HZ_RETENTION_DAYS: 30,
    HZ_MIN_COMMIT_INTERVAL: 1,
    HZ_TOKEN_LEEWAY: 0,
  };
  const service = new OfflineService({ config, bus: faulty.bus, log: silentLogger });
  const { connection, reading } = service as unknown as Record<'connection' | 'reading', DedicatedConnection>;
  const endings = new Endings();
  const kills = [makeFaulty(connection, () => endings.next()), makeFaulty(reading, () => 'pass')];
  await service.start();
  const stop = async (): Promise<void> => {
    await service.stop();
    await service.close();
    await faulty.close();
  };
  return { name, bus: faulty, endings, stop, kill: () => killing(faulty, kills, stop) };
}

function killing(bus: FaultyBus, kills: (() => void)[], stop: () => Promise<void>): Promise<void> {
  bus.kill();
  for (const kill of kills) kill();
  return stop();
}
