import { CreateDateColumn, Entity, PrimaryColumn } from 'typeorm';

/** The first valid login or the control plane creates a user. Messages to unknown users are refused. */
@Entity({ schema: 'message', name: 'users' })
export class User {
  @PrimaryColumn({ name: 'user_id', type: 'text' })
  userID!: string;

  @CreateDateColumn({ name: 'created_at', type: 'timestamptz' })
  createdAt!: Date;
}
