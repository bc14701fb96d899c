import { type Bus, type Logger } from '@huizhi/runtime';
import { LaneKeeper, type DedicatedConnection } from '@huizhi/database';
import type { MessageConfig } from '../config.js';
import { SCHEMA } from '../database.js';
import { CommitLoop } from './commit-loop.js';
import { SendQueue } from './send-queue.js';
import { LaneWriter } from './lane-writer.js';
import { CommitPublisher } from './commit-publisher.js';

/**
 * Limit of the memory of all lanes together in bytes. Each lane gets an equal share, whether it is held here or not.
 */
const MEMORY_BYTES = 128 * 1024 * 1024;

type LaneConfig = Pick<MessageConfig, 'HZ_INSTANCE_ID' | 'HZ_MESSAGE_LANES' | 'HZ_LEASE' | 'HZ_MIN_COMMIT_INTERVAL'> &
  Partial<Pick<MessageConfig, 'HZ_CLOCK_BOUND'>>;

/** Wires the commit loop and its LaneKeeper: the callbacks of the keeper report which lanes are owned. */
export function buildCommitLoop(
  config: LaneConfig,
  connection: DedicatedConnection,
  bus: Bus,
  log: Logger,
): CommitLoop {
  const keeper: LaneKeeper = new LaneKeeper({
    service: 'message',
    schema: SCHEMA,
    lanes: config.HZ_MESSAGE_LANES,
    instance: config.HZ_INSTANCE_ID,
    leaseMs: config.HZ_LEASE,
    clockBoundMs: config.HZ_CLOCK_BOUND,
    connection,
    bus,
    log,
    onTaken: async (lanes) => commitLoop.lanesTaken(lanes),
    onLost: (lanes, reason) => commitLoop.lanesLost(lanes, reason),
    onReleasing: (lanes) => commitLoop.finish(lanes),
  });
  const writer = new LaneWriter(connection, keeper, log, MEMORY_BYTES / config.HZ_MESSAGE_LANES);
  const commitPublisher = new CommitPublisher(bus, keeper);
  const sendQueue = new SendQueue(config.HZ_MESSAGE_LANES);
  const commitLoop = new CommitLoop(
    bus,
    keeper,
    writer,
    commitPublisher,
    sendQueue,
    log,
    config.HZ_MIN_COMMIT_INTERVAL,
  );
  commitLoop.listen(config.HZ_INSTANCE_ID);
  return commitLoop;
}
