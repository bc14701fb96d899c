import { encodeLines, MAX_BUS_BYTES, subjects, type MembersReply, type MembersRequest } from '@huizhi/protocol';
import type { Bus, DedicatedConnection, Logger } from '@huizhi/runtime';
import { membersAsOf } from '../sql/members.js';

const MAX_GROUPS = 500;

/** Says who was in groups. Any instance may answer, owner or not: as of a committed position that never changes. */
export class MembersReader {
  constructor(
    private readonly bus: Bus,
    private readonly connection: DedicatedConnection,
    private readonly log: Logger,
  ) {}

  listen(): void {
    this.bus.subscribe(
      subjects.members,
      (payload, _subject, reply) => {
        if (reply) void this.answer(payload, reply);
      },
      { queue: 'message' },
    );
  }

  private async answer(payload: Uint8Array, reply: string): Promise<void> {
    const { head, members } = await this.read(payload);
    this.bus.respond(reply, encodeLines(head, members));
  }

  private async read(payload: Uint8Array): Promise<{ head: MembersReply; members: string[] }> {
    try {
      const { groups } = JSON.parse(new TextDecoder().decode(payload)) as MembersRequest;
      const members = await this.connection.exclusive((client) => membersAsOf(client, groups.slice(0, MAX_GROUPS)));
      return { head: {}, members: fitting(members) };
    } catch (error) {
      this.log.warn('members.read-failed', { error });
      return { head: { error: 'unavailable' }, members: [] };
    }
  }
}

/** As many of the first as fit one bus message; at least one, and no group is so large that it would not. */
function fitting(members: readonly string[]): string[] {
  let bytes = 0;
  const end = members.findIndex((text, index) => (bytes += Buffer.byteLength(text) + 1) > MAX_BUS_BYTES && index > 0);
  return members.slice(0, end === -1 ? members.length : end);
}
