import { connect as connectTls, type TLSSocket } from 'node:tls';
import { setTimeout as delay } from 'node:timers/promises';
import { StalledConnections } from './stalled.js';
import { inParallel, type LoadedSystem } from './system.js';

const AT_ONCE = 32;
const REFUSED = 500;
const OVERSIZED = 200;
const FLOODS = 50;
/** One in twenty of them stops reading. */
const STALLED = 200;
/** Longer than a login may take, so that the gateway ends those that stall. */
const STALL_MS = 12_000;
const PAUSE_MS = 1_000;

/** Waves of clients that do harm, one kind after the other, again and again until it is stopped. */
export class HostileWaves {
  /** Connections that were made. */
  connections = 0;
  waves = 0;
  private stopped = false;
  private readonly ended: Promise<void>;

  constructor(private readonly system: LoadedSystem) {
    this.ended = this.go();
    // It is `stop` that tells.
    this.ended.catch(() => undefined);
  }

  /** Resolves when the wave that goes on is over. Rejects with what went wrong. */
  async stop(): Promise<void> {
    this.stopped = true;
    await this.ended;
  }

  private async go(): Promise<void> {
    const kinds = [this.refusedLogins, this.oversizedFrames, this.floods, this.stalls];
    while (!this.stopped) {
      for (const kind of kinds) {
        if (this.stopped) return;
        await kind();
        await delay(PAUSE_MS);
      }
      this.waves += 1;
    }
  }

  /** A full TLS handshake and a token without a valid signature. */
  private readonly refusedLogins = async (): Promise<void> => {
    await inParallel(REFUSED, AT_ONCE, (n) =>
      this.untilClosed((socket) => socket.write(loginLine(`nobody${n}`, 'a.b.c'))),
    );
  };

  /** More than a connection may send before its login. */
  private readonly oversizedFrames = async (): Promise<void> => {
    const bytes = `{"messageType":"login","token":"${'x'.repeat(60_000)}`;
    await inParallel(OVERSIZED, AT_ONCE, () => this.untilClosed((socket) => socket.write(bytes)));
  };

  /** Logged in, then more frames than the limits allow, each of them wrong. */
  private readonly floods = async (): Promise<void> => {
    const flood = '{"messageType":"nonsense"}\n'.repeat(2_000);
    await inParallel(FLOODS, AT_ONCE, async (n) => {
      const user = `flood-${this.system.run}-${n}`;
      const login = loginLine(user, await this.system.devEnv.token(user));
      await this.untilClosed((socket) => {
        socket.write(login);
        socket.once('data', () => socket.write(flood));
      });
    });
  };

  /** Half a handshake, a login, a frame; and sessions that read nothing while much is written to them. */
  private readonly stalls = async (): Promise<void> => {
    const crowd = new StalledConnections(this.system, `-${this.waves}`);
    try {
      await crowd.gather(STALLED);
      await delay(STALL_MS);
    } finally {
      crowd.disperse();
      this.connections += STALLED;
    }
  };

  private untilClosed(secured: (socket: TLSSocket) => void): Promise<void> {
    const { host, port, ca } = this.system.devEnv.address;
    this.connections += 1;
    return new Promise((resolve) => {
      const socket = connectTls({ host, port, ca, servername: 'localhost' });
      socket.on('error', () => undefined);
      socket.once('close', () => resolve());
      socket.once('secureConnect', () => secured(socket));
      socket.resume();
    });
  }
}

const loginLine = (fromUserID: string, token: string): string =>
  `${JSON.stringify({ messageType: 'login', fromUserID, deviceID: 'hostile', versionCode: 2, token })}\n`;
