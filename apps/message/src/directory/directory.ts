import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { ProtocolError } from '@huizhi/protocol';
import type { Repository } from 'typeorm';
import { User } from './user.entity.js';

/** The users that exist. */
@Injectable()
export class Directory {
  constructor(@InjectRepository(User) private readonly users: Repository<User>) {}

  /** Creates the user unless it exists. @throws ProtocolError `unavailable` until the database was reached once */
  async ensureUser(userID: string): Promise<object> {
    // TypeORM knows its entities only after it has connected; before that it throws EntityMetadataNotFoundError.
    if (!this.users.manager.dataSource.isInitialized) {
      throw new ProtocolError('unavailable', 'the database has not been reached yet');
    }
    await this.users.createQueryBuilder().insert().values({ userID }).orIgnore().updateEntity(false).execute();
    return {};
  }
}
