import { Module } from '@nestjs/common';

/**
 * The push service: notifications through APNs for messages that were not delivered.
 *
 * Not built yet. The service starts, is ready when the bus is connected, and serves health and metrics. It subscribes
 * to no subject and answers no command, so callers get no false success.
 */
@Module({})
export class PushModule {}
