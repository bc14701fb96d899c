import { Module } from '@nestjs/common';

/**
 * The media service: uploads and downloads over S3, image, voice and video processing.
 *
 * Not built yet; it is an issue of its own. Today the service starts, is ready when the bus is there, answers health and metrics,
 * and does nothing else: no subject is subscribed and no command is answered, so nobody can take it for more than it is.
 */
@Module({})
export class MediaModule {}
