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
/** Longer than the login deadline, so that the gateway closes the stalled connections. */
const STALL_MS = 12_000;
const PAUSE_MS = 1_000;

/** Runs waves of hostile clients, one kind after another, repeatedly until stopped. */
export class HostileWaves {
  /** Number of connections that were opened. */
  connections = 0;
  waves = 0;
  private stopped = false;
  private readonly ended: Promise<void>;

  constructor(private readonly system: LoadedSystem) {
    this.ended = this.go();
    // `stop` reports the error.
    this.ended.catch(() => undefined);
  }

  /** Resolves when the current wave has ended. Rejects with the error of a wave. */
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

  /** More bytes than a connection may send before its login. */
  private readonly oversizedFrames = async (): Promise<void> => {
    const bytes = `{"messageType":"login","token":"${'x'.repeat(60_000)}`;
    await inParallel(OVERSIZED, AT_ONCE, () => this.untilClosed((socket) => socket.write(bytes)));
  };

  /** After the login, more frames than the limits allow, all invalid. */
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

  /** Partial handshakes, logins and frames, and sessions that do not read while much is sent to them. */
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
