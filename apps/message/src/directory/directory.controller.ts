import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { commands, type EnsureUserCommand } from '@huizhi/protocol';
import { Directory } from './directory.js';

/** The control plane's questions to this service. */
@Controller()
export class DirectoryController {
  constructor(private readonly directory: Directory) {}

  @MessagePattern(commands.ensureUser)
  ensureUser(@Payload() { user }: EnsureUserCommand): Promise<object> {
    return this.directory.ensureUser(user);
  }
}
