import { LaneKeeper, type Bus, type DedicatedConnection, type Logger } from '@huizhi/runtime';
import type { MessageConfig } from '../config.js';
import { SCHEMA } from '../database.js';
import { Conversations } from './conversations.js';
import { Intake } from './intake.js';
import { LaneWriter } from './lane-writer.js';
import { Outlet } from './outlet.js';

/** What is remembered of all lanes together, bytes. A lane has its share, held here or elsewhere. */
const MEMORY_BYTES = 128 * 1024 * 1024;

type LaneConfig = Pick<MessageConfig, 'INSTANCE_ID' | 'MESSAGE_LANES' | 'LEASE' | 'PACE'> &
  Partial<Pick<MessageConfig, 'CLOCK_BOUND'>>;

/** The lanes and what runs on them know each other: the keeper says what is owned, the rest reacts. */
export function buildConversations(
  config: LaneConfig,
  connection: DedicatedConnection,
  bus: Bus,
  log: Logger,
): Conversations {
  const keeper: LaneKeeper = new LaneKeeper({
    service: 'message',
    schema: SCHEMA,
    lanes: config.MESSAGE_LANES,
    instance: config.INSTANCE_ID,
    leaseMs: config.LEASE,
    clockBoundMs: config.CLOCK_BOUND,
    connection,
    bus,
    log,
    onTaken: async (lanes) => conversations.take(lanes),
    onLost: (lanes, reason) => conversations.lose(lanes, reason),
    onReleasing: (lanes) => conversations.finish(lanes),
  });
  const writer = new LaneWriter(connection, keeper, log, MEMORY_BYTES / config.MESSAGE_LANES);
  const outlet = new Outlet(bus, keeper);
  const intake = new Intake(config.MESSAGE_LANES);
  const conversations = new Conversations(bus, keeper, writer, outlet, intake, log, config.PACE);
  conversations.listen(config.INSTANCE_ID);
  return conversations;
}
