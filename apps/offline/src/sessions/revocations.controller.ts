import { Controller } from '@nestjs/common';
import { isUserID, ProtocolError, type RevokeCommand, type RevokeReply } from '@huizhi/protocol';
import { HandlesCommand } from '@huizhi/runtime';
import { Revoker } from './revoker.js';

/** Control-plane commands about sessions, for operators. */
@Controller()
export class RevocationsController {
  constructor(private readonly revoker: Revoker) {}

  @HandlesCommand('revokeTokens')
  async revokeTokens({ user }: RevokeCommand): Promise<RevokeReply> {
    if (!isUserID(user)) throw new ProtocolError('badField', 'user: is not a valid id, see docs/protocol.md');
    return this.revoker.revoke(user);
  }
}
