import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import type { MembersReply } from '@huizhi/protocol';
import type { Repository } from 'typeorm';
import { Readers } from '../reads/readers.js';
import { membersAsOf } from '../sql/read-log.js';
import { User } from './user.entity.js';

/** Who exists, and who is in what. */
@Injectable()
export class Directory {
  constructor(
    @InjectRepository(User) private readonly users: Repository<User>,
    private readonly readers: Readers,
  ) {}

  /** The user exists once this resolves, however often it is asked. */
  async ensureUser(userID: string): Promise<object> {
    await this.users.createQueryBuilder().insert().values({ userID }).orIgnore().updateEntity(false).execute();
    return {};
  }

  async membersAsOf(conversation: string, position: number): Promise<MembersReply> {
    return { users: await this.readers.log.exclusive((client) => membersAsOf(client, conversation, position)) };
  }
}
