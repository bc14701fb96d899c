import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { commands, type EnsureUserCommand, type MembersCommand, type MembersReply } from '@huizhi/protocol';
import { Directory } from './directory.js';

/** The control plane's questions to this service. */
@Controller()
export class DirectoryController {
  constructor(private readonly directory: Directory) {}

  @MessagePattern(commands.ensureUser)
  ensureUser(@Payload() { user }: EnsureUserCommand): Promise<object> {
    return this.directory.ensureUser(user);
  }

  @MessagePattern(commands.membersAsOf)
  membersAsOf(@Payload() { conversation, position }: MembersCommand): Promise<MembersReply> {
    return this.directory.membersAsOf(conversation, position);
  }
}
