import { connect as connectTls, type TLSSocket } from 'node:tls';
import { eventually, type GatewayAddress } from '@huizhi/dev-env';
import {
  Base64LinesDecoder,
  fromServer,
  HZ,
  HzDecoder,
  JsonLinesDecoder,
  MAX_SERVER_FRAME_BYTES,
  type Decoder,
  type ServerFrame,
} from '@huizhi/protocol';
import { WebSocket } from 'ws';

/** A connection in one of the modes that can send any bytes as a frame, including invalid content. */
export interface Wire {
  readonly frames: Record<string, unknown>[];
  readonly closed: Promise<unknown>;
  /** Sends the body as one frame. */
  say(body: Buffer): void;
  /** Sends the bytes unchanged. */
  raw(bytes: Buffer | string): void;
}

export type WireMode = 'JSON lines' | 'base64 lines' | 'HZ frames' | 'WebSocket';

const LINE_END = Buffer.from('\n');

function hzFrame(body: Buffer): Buffer {
  const header = Buffer.from([...HZ.magic, HZ.version, HZ.frame, 0, 0, 0, 0, 0, 0]);
  header.writeUInt32BE(body.length, HZ.bodyLengthAt);
  return Buffer.concat([header, body]);
}

const wireCodecs: Record<
  Exclude<WireMode, 'WebSocket'>,
  { decoder: () => Decoder<ServerFrame>; encode: (body: Buffer) => Buffer }
> = {
  'JSON lines': {
    decoder: () => new JsonLinesDecoder(MAX_SERVER_FRAME_BYTES, fromServer),
    encode: (body) => Buffer.concat([body, LINE_END]),
  },
  'base64 lines': {
    decoder: () => new Base64LinesDecoder(MAX_SERVER_FRAME_BYTES, fromServer),
    encode: (body) => Buffer.from(`${body.toString('base64')}\n`),
  },
  'HZ frames': { decoder: () => new HzDecoder(MAX_SERVER_FRAME_BYTES, fromServer), encode: hzFrame },
};

/** A TLS connection without a protocol on top. Errors also end it. */
export async function tlsTo({ host, port, ca }: GatewayAddress): Promise<TLSSocket> {
  const socket = connectTls({ host, port, ca, servername: 'localhost' });
  await new Promise<void>((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject));
  return socket.on('error', () => undefined);
}

/** @param path path of the WebSocket upgrade */
export async function wireTo(address: GatewayAddress, mode: WireMode, path = '/ws'): Promise<Wire> {
  const frames: Record<string, unknown>[] = [];
  const heard = (frame: ServerFrame): void => void frames.push(...(Array.isArray(frame) ? frame : [frame]));
  if (mode === 'WebSocket') return overWebSocket(address, path, frames);
  const { decoder, encode } = wireCodecs[mode];
  const socket = await tlsTo(address);
  const reader = decoder();
  socket.on('data', (bytes: Buffer) => reader.push(bytes, heard));
  const raw = (bytes: Buffer | string): void => void socket.write(bytes);
  return { frames, raw, closed: closeOf(socket), say: (body) => raw(encode(body)) };
}

async function overWebSocket(
  { port, ca }: GatewayAddress,
  path: string,
  frames: Record<string, unknown>[],
): Promise<Wire> {
  const webSocket = new WebSocket(`wss://localhost:${port}${path}`, { ca });
  await new Promise<void>((resolve, reject) => webSocket.once('open', resolve).once('error', reject));
  webSocket.on('error', () => undefined);
  webSocket.on('message', (data: Buffer) => {
    const frame = JSON.parse(data.toString()) as ServerFrame;
    frames.push(...(Array.isArray(frame) ? frame : [frame]));
  });
  const { _socket: socket } = webSocket as unknown as { _socket: TLSSocket };
  return {
    frames,
    closed: closeOf(webSocket),
    say: (body) => webSocket.send(body, { binary: false }),
    raw: (bytes) => void socket.write(bytes),
  };
}

const closeOf = (connection: TLSSocket | WebSocket): Promise<unknown> =>
  new Promise((resolve) => connection.once('close', resolve));

/** Resolves with the first frame that has these fields, received or still to come. */
export const frameOf = (wire: Wire, fields: Record<string, unknown>): Promise<Record<string, unknown>> =>
  eventually(`a frame with ${JSON.stringify(fields)}`, () =>
    wire.frames.find((frame) => Object.entries(fields).every(([name, value]) => frame[name] === value)),
  );
