import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeTestDatabase, Nats } from '@huizhi/dev-env';
import {
  contentHash,
  decodeLines,
  encodeLines,
  laneOf,
  pairConversation,
  subjects,
  type CommittedEvents,
  type ReceiptBatch,
  type Send,
  type SendBatch,
  type SendReceipt,
  type SessionAnswer,
} from '@huizhi/protocol';
import { Bus, silentLogger, type Logger } from '@huizhi/runtime';
import { DedicatedConnection, ensureLanes, runMigrations } from '@huizhi/database';
import pg from 'pg';
import { databaseOptions, SCHEMA } from '../database.js';
import { buildCommitLoop } from '../commit/build.js';
import type { CommitLoop } from '../commit/commit-loop.js';
import { HistoryQueryHandler } from '../queries/history-queries.js';
import { LogQueryHandler } from '../queries/log-queries.js';
import { MembersQueryHandler } from '../queries/members-queries.js';

export const LANES = 8;
export const GATEWAY = 'gateway-of-the-test';

/** One instance of the service without Nest. */
export interface Instance {
  bus: Bus;
  connection: DedicatedConnection;
  commitLoop: CommitLoop;
  stop(): Promise<void>;
}

/** Real PostgreSQL and NATS; the test acts as the gateway. */
export class MessageFixture {
  readonly answers: SessionAnswer[] = [];
  readonly events: { lane: number; position: number; delivery: string }[] = [];
  private readonly listeners = new Set<() => void>();
  private readonly instances: Instance[] = [];
  private sessions = 0;
  private batches = 0;

  private constructor(
    readonly url: string,
    readonly nats: Nats,
    readonly bus: Bus,
    readonly admin: pg.Client,
    private readonly close: () => Promise<void>,
  ) {
    bus.subscribe(subjects.receipts(GATEWAY), (payload) => {
      const { answers } = JSON.parse(new TextDecoder().decode(payload)) as ReceiptBatch;
      this.answers.push(...answers);
      this.wake();
    });
    bus.subscribe(subjects.committed, (payload) => {
      const { head, bodies } = decodeLines<CommittedEvents>(payload);
      const events = head.runs.flatMap((run) =>
        run.events.map((event) => ({ lane: run.lane, position: event.position })),
      );
      this.events.push(...events.map((event, index) => ({ ...event, delivery: bodies[index] ?? '' })));
      this.wake();
    });
  }

  static async start(): Promise<MessageFixture> {
    const database = await makeTestDatabase(SCHEMA);
    await runMigrations(databaseOptions(database.url, 'test'));
    const admin = new pg.Client({ connectionString: database.url });
    admin.on('error', () => undefined);
    await admin.connect();
    await ensureLanes(admin, SCHEMA, LANES);
    const folder = mkdtempSync(join(tmpdir(), 'hz-message-'));
    const nats = await Nats.start({ dataDir: folder });
    const bus = Bus.connect({ url: nats.url(), name: 'test', log: silentLogger });
    await bus.ready();
    return new MessageFixture(database.url, nats, bus, admin, async () => {
      await bus.drain();
      await nats.stop();
      await admin.end();
      await database.drop();
      rmSync(folder, { recursive: true, force: true });
    });
  }

  async instance(name: string, log: Logger = silentLogger): Promise<Instance> {
    const bus = Bus.connect({ url: this.nats.url(), name, log: silentLogger });
    await bus.ready();
    const connection = new DedicatedConnection({ url: this.url, schema: SCHEMA, applicationName: name });
    const reader = new DedicatedConnection({ url: this.url, schema: SCHEMA, applicationName: `${name} reader` });
    const config = { HZ_INSTANCE_ID: name, HZ_MESSAGE_LANES: LANES, HZ_LEASE: 1000, HZ_MIN_COMMIT_INTERVAL: 1 };
    const commitLoop = buildCommitLoop(config, connection, bus, log);
    await commitLoop.keeper.start();
    new LogQueryHandler(bus, reader, silentLogger).listen();
    new MembersQueryHandler(bus, reader, silentLogger).listen();
    new HistoryQueryHandler(bus, reader, silentLogger).listen();
    const instance = {
      bus,
      connection,
      commitLoop,
      stop: async () => {
        await commitLoop.keeper.stop();
        await Promise.all([connection.close(), reader.close()]);
        await bus.drain();
      },
    };
    this.instances.push(instance);
    return instance;
  }

  async users(...names: string[]): Promise<void> {
    await this.admin.query('insert into message.users (user_id) select unnest($1::text[]) on conflict do nothing', [
      names,
    ]);
  }

  newSession(): number {
    return ++this.sessions;
  }

  newBatch(): number {
    return ++this.batches;
  }

  /** Publishes a batch as a gateway does. To repeat it, pass the same session and batch. */
  publish(from: string, sends: TestSend[], session: number, batch: number): void {
    const lane = laneOf(sends[0]!.send.conversation, LANES);
    const session_ = { session, lane, batch, user: from, device: 'phone', sends: sends.map((one) => one.send) };
    const head: SendBatch = { gateway: GATEWAY, sessions: [session_] };
    this.bus.publish(
      subjects.send(lane),
      encodeLines(
        head,
        sends.map((one) => one.body),
      ),
    );
  }

  /** Sends a batch and waits for its answer, repeating the batch every 200 ms as a gateway does. */
  async send(from: string, sends: TestSend[], session = this.newSession()): Promise<SendReceipt[]> {
    const batch = this.newBatch();
    this.publish(from, sends, session, batch);
    const again = setInterval(() => this.publish(from, sends, session, batch), 200);
    const found = (): SessionAnswer | undefined =>
      this.answers.find((answer) => answer.session === session && answer.batch === batch);
    try {
      await this.until(() => found() !== undefined);
    } finally {
      clearInterval(again);
    }
    return found()!.receipts;
  }

  async request<T>(subject: string, request: object): Promise<{ head: T; bodies: string[] }> {
    return decodeLines<T>(await this.bus.request(subject, JSON.stringify(request), { timeoutMs: 20_000 }));
  }

  /** Resolves when the condition holds. Checks it every 20 ms and after each arrival. */
  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const check = (): void => {
        if (!condition()) return;
        finish();
        resolve();
      };
      const bound = setTimeout(() => {
        finish();
        reject(new Error('the condition did not hold within 20 s'));
      }, 20_000);
      const tick = setInterval(check, 20);
      const finish = (): void => {
        clearTimeout(bound);
        clearInterval(tick);
        this.listeners.delete(check);
      };
      this.listeners.add(check);
      check();
    });
  }

  async stop(): Promise<void> {
    await Promise.allSettled(this.instances.map((instance) => instance.stop()));
    await this.close();
  }

  private wake(): void {
    for (const listener of [...this.listeners]) listener();
  }
}

export interface TestSend {
  send: Send;
  body: string;
}

/** A text from one user to another. */
export function text(from: string, to: string, clientID: string, words = 'hello'): TestSend {
  const body = JSON.stringify({ messageType: 'normal', fromUserID: from, toUserID: to, content: { text: words } });
  const conversation = pairConversation(from, to);
  return { send: { kind: 'message', conversation, to, clientID, hash: contentHash(words) }, body };
}
