import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import type { Repository } from 'typeorm';
import { User } from './user.entity.js';

/** Who exists. */
@Injectable()
export class Directory {
  constructor(@InjectRepository(User) private readonly users: Repository<User>) {}

  /** The user exists once this resolves, however often it is asked. */
  async ensureUser(userID: string): Promise<object> {
    await this.users.createQueryBuilder().insert().values({ userID }).orIgnore().updateEntity(false).execute();
    return {};
  }
}
