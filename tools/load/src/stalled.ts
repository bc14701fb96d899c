import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { groupIdOf } from '@huizhi/protocol';
import type { LoadedSystem } from './system.js';

const MADE_MS = 60_000;

/** How connections stall: after TCP, after TLS, within the login, within a frame after it, or by no longer reading. */
type Kind = 'connected' | 'encrypted' | 'half a login' | 'half a frame' | 'stopped reading';
const KINDS = ['connected', 'encrypted', 'half a login', 'half a frame'] as const;
/** One in twenty stops reading: the kernel buffers about 4 MB for each. */
const STOPPED_OF = 20;
/** The messages of a group to the sessions that stop reading: 6 MB, so that some remain in the gateway's buffers. */
const LARGE = { count: 100, bytes: 60_000 };

/** A set of stalled connections. */
export class StalledConnections {
  private readonly sockets = new Set<Socket>();
  private readonly stopped: string[] = [];
  private lost = 0;

  /** @param name part of the user names; another name gives other users */
  constructor(
    private readonly system: LoadedSystem,
    private readonly name = '',
  ) {}

  async gather(count: number): Promise<void> {
    // Connect in groups of 50: this mode measures stalled connections, not connection floods.
    for (let n = 0; n < count; n += 50) await Promise.all(Array.from({ length: 50 }, (_, i) => this.join(n + i)));
    await this.fill();
  }

  async faults(): Promise<string[]> {
    const gone = Math.max(this.lost, await this.closed());
    return gone > 0 ? [`${gone} stalled connections were closed`] : [];
  }

  disperse(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  private user(which: number | string): string {
    return `crowd-${this.system.run}${this.name}-${which}`;
  }

  private async join(n: number): Promise<void> {
    const { devEnv } = this.system;
    const { host, port, ca } = devEnv.address;
    const kind: Kind = n % STOPPED_OF === 0 ? 'stopped reading' : KINDS[n % KINDS.length]!;
    const isPlain = kind === 'connected';
    const socket = isPlain ? connectTcp(port, host) : connectTls({ host, port, ca, servername: 'localhost' });
    this.sockets.add(socket);
    const gone = new Promise((resolve) => socket.on('error', () => undefined).once('close', resolve));
    void gone.then(() => (this.lost += 1));
    const happens = (what: string) => Promise.race([gone, new Promise((resolve) => socket.once(what, resolve))]);

    await happens(isPlain ? 'connect' : 'secureConnect');
    if (kind === 'half a login') socket.write('{"messageType":"login","fromUserID":"');
    if (kind !== 'half a frame' && kind !== 'stopped reading') return;
    const user = this.user(n);
    const login = { messageType: 'login', fromUserID: user, versionCode: 2, token: await devEnv.token(user) };
    socket.write(`${JSON.stringify(login)}\n`);
    await happens('data');
    if (kind === 'half a frame') return void socket.write('{"beatID":"');
    socket.pause();
    this.stopped.push(user);
  }

  /** Sends more to the sessions that stop reading than the kernel buffers. */
  private async fill(): Promise<void> {
    const user = this.user('talker');
    const { connection } = await this.system.login(user);
    const say = (clientMsgID: string, frame: object): Promise<void> =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`${clientMsgID} was not receipted in time`)), MADE_MS);
        connection.onFrame = (answer) => {
          if (Array.isArray(answer) || answer.clientMsgID !== clientMsgID) return;
          clearTimeout(timer);
          if (answer.messageType === 'normalReceipt') resolve();
          else reject(new Error(`${clientMsgID} was refused: ${String(answer.name)}`));
        };
        connection.send(JSON.stringify({ clientMsgID, ...frame }));
      });
    try {
      await say('make', { messageType: 'createGroup', memberUserIDs: this.stopped });
      const to = { messageType: 'normal', chatType: 'groupChat', contenType: 'text', groupID: groupIdOf(user, 'make') };
      const content = { text: 'x'.repeat(LARGE.bytes) };
      for (let n = 0; n < LARGE.count; n++) await say(`large${n}`, { ...to, content });
    } finally {
      connection.close();
    }
  }

  /** A client that does not read does not notice its close, so the gateway's metrics tell the closes. */
  private async closed(): Promise<number> {
    const gateways = this.system.devEnv.instances('gateway');
    const pages = await Promise.all(gateways.map(async ({ baseUrl }) => (await fetch(`${baseUrl}/metrics`)).text()));
    const counts = pages.flatMap((page) => [
      ...page.matchAll(/^hz_gateway_closes_total\{name="(?!client").*\} (\d+)$/gm),
    ]);
    return counts.reduce((sum, [, count]) => sum + Number(count), 0);
  }
}
