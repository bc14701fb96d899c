import { connect, type Socket } from 'node:net';

export type Frame = Readonly<Record<string, unknown>> & { readonly messageType?: string };

/** One connection of a device: it sends and receives frames as JSON lines and does nothing else. */
export class Link {
  private rest = '';
  private readonly socket: Socket;
  isOpen = true;

  constructor(
    port: number,
    onFrames: (frames: readonly Frame[]) => void,
    private readonly onEnd: () => void,
  ) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.setNoDelay(true).setEncoding('utf8');
    this.socket.on('data', (text: unknown) => {
      const lines = (this.rest + (text as string)).split('\n');
      this.rest = lines.pop() ?? '';
      for (const line of lines) {
        const parsed = JSON.parse(line) as Frame | Frame[];
        if (this.isOpen) onFrames(Array.isArray(parsed) ? parsed : [parsed]);
      }
    });
    this.socket.on('error', () => this.ended());
    this.socket.on('close', () => this.ended());
  }

  write(...frames: readonly object[]): void {
    if (this.isOpen) this.socket.write(frames.map((frame) => `${JSON.stringify(frame)}\n`).join(''));
  }

  /** Closes the connection, `abrupt` with a reset. No further frames are delivered. */
  end(abrupt: boolean): void {
    this.isOpen = false;
    if (abrupt) this.socket.resetAndDestroy();
    else this.socket.end();
  }

  private ended(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.socket.destroy();
    this.onEnd();
  }
}
