import { BadRequestException, Body, Controller, Delete, Get, HttpCode, Post } from '@nestjs/common';
import { armFailpoints, disarmFailpoints, failpointStatus, type FailpointStatus } from '../failpoints/failpoints.js';

/**
 * Failpoints of a running process: `GET` shows hits, `POST {"arm": "name=action@N"}` arms, `DELETE` disarms all. In
 * production the route does not exist.
 */
@Controller('failpoints')
export class FailpointsController {
  @Get()
  show(): FailpointStatus[] {
    return failpointStatus();
  }

  @Post()
  @HttpCode(200)
  arm(@Body() body: unknown): FailpointStatus[] {
    return armed(body);
  }

  @Delete()
  disarm(): FailpointStatus[] {
    return disarmed();
  }
}

function armed(body: unknown): FailpointStatus[] {
  const { arm } = (body ?? {}) as { arm?: unknown };
  if (typeof arm !== 'string') throw new BadRequestException('send {"arm": "name=action@N"}');
  try {
    armFailpoints(arm);
  } catch (error) {
    throw new BadRequestException(error instanceof Error ? error.message : String(error));
  }
  return failpointStatus();
}

function disarmed(): FailpointStatus[] {
  disarmFailpoints();
  return failpointStatus();
}
