import { Controller } from '@nestjs/common';
import { isUserID, ProtocolError, type EnsureUserCommand } from '@huizhi/protocol';
import { HandlesCommand } from '@huizhi/runtime';
import { Directory } from './directory.js';

/** Control-plane commands about users. */
@Controller()
export class DirectoryController {
  constructor(private readonly directory: Directory) {}

  @HandlesCommand('ensureUser')
  ensureUser({ user }: EnsureUserCommand): Promise<object> {
    if (!isUserID(user)) throw new ProtocolError('badField', 'user: is not a valid id, see docs/protocol.md');
    return this.directory.ensureUser(user);
  }
}
