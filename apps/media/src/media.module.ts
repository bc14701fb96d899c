import { Module } from '@nestjs/common';

/**
 * The media service: uploads and downloads over S3, image, voice and video processing.
 *
 * Not built yet. The service starts, is ready when the bus is connected, and serves health and metrics. It subscribes
 * to no subject and answers no command, so callers get no false success.
 */
@Module({})
export class MediaModule {}
