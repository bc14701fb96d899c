import { Controller } from '@nestjs/common';
import type { EnsureUserCommand } from '@huizhi/protocol';
import { HandlesCommand } from '@huizhi/runtime';
import { Directory } from './directory.js';

/** Control-plane commands about users. */
@Controller()
export class DirectoryController {
  constructor(private readonly directory: Directory) {}

  @HandlesCommand('ensureUser')
  ensureUser({ user }: EnsureUserCommand): Promise<object> {
    return this.directory.ensureUser(user);
  }
}
