import { CreateDateColumn, Entity, PrimaryColumn } from 'typeorm';

/** A user exists from the first valid login on, or by the control plane; others cannot be written to. */
@Entity({ schema: 'message', name: 'users' })
export class User {
  @PrimaryColumn({ name: 'user_id', type: 'text' })
  userID!: string;

  @CreateDateColumn({ name: 'created_at', type: 'timestamptz' })
  createdAt!: Date;
}
