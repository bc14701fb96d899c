import { type Service, eventually } from '@huizhi/constellation';
import { laneOf, pairConversation } from '@huizhi/protocol';
import { expect } from '@jest/globals';
import pg from 'pg';
import type { World } from './world.js';

const LANES = 32;

/** The message service's lanes, as its tables say: who writes where, and whether the log is what it must be. */
export class Lanes {
  private constructor(
    private readonly world: World,
    private readonly client: pg.Client,
  ) {}

  static async of(world: World): Promise<Lanes> {
    const client = new pg.Client({ connectionString: world.system.databaseUrl('message') });
    client.on('error', () => undefined);
    await client.connect();
    return new Lanes(world, client);
  }

  close(): Promise<void> {
    return this.client.end();
  }

  laneOf(one: string, other: string): number {
    return laneOf(pairConversation(one, other), LANES);
  }

  /** The living instance that writes this pair's conversation; waits until there is one, and not one of `except`. */
  owner(one: string, other: string, ...except: Service[]): Promise<Service> {
    return eventually('an owner of the lane', async () => {
      const { rows } = await this.client.query<{ owner: string }>(
        'select owner from message.lane where lane = $1 and lease_until > now()',
        [this.laneOf(one, other)],
      );
      const owner = this.instance(rows[0]?.owner);
      return owner?.running && !except.includes(owner) ? owner : undefined;
    });
  }

  /** Waits until these instances, and no other, own lanes: the load is shared. */
  async sharedBy(...services: Service[]): Promise<void> {
    await eventually(`lanes shared by ${services.map(({ label }) => label).join(', ')}`, async () => {
      const { rows } = await this.client.query<{ owner: string; lanes: number }>(
        'select owner, count(*)::int as lanes from message.lane where lease_until > now() group by owner',
      );
      const most = Math.ceil(LANES / services.length);
      const fair = rows.every(({ owner, lanes }) => services.includes(this.instance(owner)!) && lanes <= most);
      const all = rows.reduce((sum, { lanes }) => sum + lanes, 0) === LANES;
      return fair && all && rows.length === services.length;
    });
  }

  /** Positions are 1, 2, 3 … up to the head in every lane, `seq` in every conversation, whoever wrote them. */
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
    return this.world.system.instances('message').find(({ logs }) => logs.some((line) => line.includes(mark)));
  }
}
