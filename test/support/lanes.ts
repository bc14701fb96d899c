import { type Service, eventually } from '@huizhi/dev-env';
import { inboxLaneOf, laneOf, pairConversation } from '@huizhi/protocol';
import { expect } from '@jest/globals';
import pg from 'pg';
import type { TestCluster } from './test-cluster.js';

export type Owners = 'message' | 'offline';

const LANES = { message: 32, offline: 16 };

/**
 * Reads the lanes of the message or the offline service from its tables: their owners, and whether the log is complete.
 */
export class Lanes {
  private constructor(
    private readonly cluster: TestCluster,
    private readonly service: Owners,
    private readonly client: pg.Client,
  ) {}

  static async of(cluster: TestCluster, service: Owners = 'message'): Promise<Lanes> {
    const client = new pg.Client({ connectionString: cluster.system.databaseUrl(service) });
    client.on('error', () => undefined);
    await client.connect();
    return new Lanes(cluster, service, client);
  }

  close(): Promise<void> {
    return this.client.end();
  }

  /** The lane of the conversation between the two users, or of the other's inbox. */
  laneOf(one: string, other: string): number {
    if (this.service === 'offline') return inboxLaneOf(other, LANES.offline);
    return laneOf(pairConversation(one, other), LANES.message);
  }

  /** The running instance that owns the lane. Waits until there is one that is not in `except`. */
  owner(one: string, other: string, ...except: Service[]): Promise<Service> {
    return eventually('an owner of the lane', async () => {
      const { rows } = await this.client.query<{ owner: string }>(
        `select owner from ${this.service}.lane where lane = $1 and lease_until > now()`,
        [this.laneOf(one, other)],
      );
      const owner = this.instance(rows[0]?.owner);
      return owner?.running && !except.includes(owner) ? owner : undefined;
    });
  }

  /** Waits until these instances own all lanes in equal shares. */
  async sharedBy(...services: Service[]): Promise<void> {
    await eventually(`lanes shared by ${services.map(({ label }) => label).join(', ')}`, async () => {
      const { rows } = await this.client.query<{ owner: string; lanes: number }>(
        `select owner, count(*)::int as lanes from ${this.service}.lane where lease_until > now() group by owner`,
      );
      const all = LANES[this.service];
      const most = Math.ceil(all / services.length);
      const fair = rows.every(({ owner, lanes }) => services.includes(this.instance(owner)!) && lanes <= most);
      const owned = rows.reduce((sum, { lanes }) => sum + lanes, 0);
      return fair && owned === all && rows.length === services.length;
    });
  }

  /** For the message service: checks that positions in every lane and `seq` in every conversation have no gap. */
  async haveNoHoles(): Promise<void> {
    const { rows: lanes } = await this.client.query(
      `select lane, head::int, coalesce(max(position), 0)::int as last, count(position)::int as events
         from message.lane left join message.event using (lane) group by lane, head
       having count(position) <> head or coalesce(max(position), 0) <> head`,
    );
    expect(lanes).toEqual([]);
    const { rows: conversations } = await this.client.query(
      `select conversation_id from message.event group by conversation_id
       having count(*) <> max(seq) or min(seq) <> 1 or count(distinct lane) <> 1`,
    );
    expect(conversations).toEqual([]);
  }

  private instance(id: string | undefined): Service | undefined {
    if (id === undefined) return undefined;
    const mark = `"instance":${JSON.stringify(id)}`;
    return this.cluster.system.instances(this.service).find(({ logs }) => logs.some((line) => line.includes(mark)));
  }
}
