import { Controller } from '@nestjs/common';
import { MessagePattern, Payload, RpcException } from '@nestjs/microservices';
import { commands, isUserID, type RevokeCommand, type RevokeReply } from '@huizhi/protocol';
import { Revoker } from './revoker.js';

/** What operators ask of users' sessions. */
@Controller()
export class RevocationsController {
  constructor(private readonly revoker: Revoker) {}

  @MessagePattern(commands.revokeTokens)
  revokeTokens(@Payload() { user }: RevokeCommand): Promise<RevokeReply> {
    if (!isUserID(user)) throw new RpcException({ code: 'badField', message: 'user: is not an id' });
    return this.revoker.revoke(user);
  }
}
