import type { Mode } from '@huizhi/client';
import { projectRoot, signToken } from '@huizhi/dev-env';
import { Option, type Command } from 'commander';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DemoTarget } from './demo/target.js';

/** State of `hz up` in its data folder, as far as other commands use it. */
interface LocalState {
  jwtSecret: string;
  ports: Record<string, { client?: number } | undefined>;
}

interface LocalBus {
  port: number;
  passwords: { admin: string };
}

export interface TargetOptions {
  data: string;
  host: string;
  port?: string;
  ca?: string;
  tls: boolean;
  mode: Mode;
  tokenSecretFile?: string;
}

/** Adds the options that select the target system; default: the local system of `hz up`. */
export function withTarget(command: Command): Command {
  return command
    .option('--data <folder>', 'data folder of a local `hz up`, for the defaults below', join(projectRoot(), '.data'))
    .option('--host <host>', 'address of the gateway', '127.0.0.1')
    .option('--port <port>', 'port of the gateway (default: of the local one)')
    .option('--ca <file>', 'PEM file of the certificate to trust (default: of the local system)')
    .option('--no-tls', 'use plain TCP')
    .addOption(
      new Option('--mode <mode>', 'encoding of frames').choices(['lines', 'frames', 'websocket']).default('lines'),
    )
    .option('--token-secret-file <file>', 'file with the secret that signs tokens (default: of the local system)');
}

/** @throws an error that names the missing file and the option to set instead */
export function targetFrom(options: TargetOptions): DemoTarget {
  const { data, host, tls, mode } = options;
  const port = options.port === undefined ? localPort(data) : Number(options.port);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new Error('--port: must be between 1 and 65535');
  const ca = tls ? read(options.ca ?? join(data, 'tls', 'gateway-cert.pem'), '--ca') : '';
  const secret = secretFrom(options);
  return { host, port, ca, mode, token: (userID) => signToken(secret, userID) };
}

/** The secret that signs tokens. @throws like {@link targetFrom} */
export function secretFrom({ data, tokenSecretFile }: Pick<TargetOptions, 'data' | 'tokenSecretFile'>): string {
  if (tokenSecretFile !== undefined) return read(tokenSecretFile, '--token-secret-file').trim();
  return localState(data, '--token-secret-file').jwtSecret;
}

/** URL of the bus: the given one, or that of the local system. @throws like {@link targetFrom} */
export function busOf({ data, nats }: { data: string; nats?: string }): string {
  if (nats !== undefined) return nats;
  const { port, passwords } = JSON.parse(read(join(data, 'nats', 'state.json'), '--nats')) as LocalBus;
  return `nats://admin:${passwords.admin}@127.0.0.1:${port}`;
}

function localPort(data: string): number {
  const port = localState(data, '--port').ports['gateway-1']?.client;
  if (port === undefined) throw new Error(`no gateway has run in ${data} yet: start \`hz up\`, or set --port`);
  return port;
}

function localState(data: string, option: string): LocalState {
  const file = join(data, 'state.json');
  try {
    return JSON.parse(read(file, option)) as LocalState;
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new Error(`${file} is not JSON: see --data, or set ${option}`, { cause });
  }
}

function read(file: string, option: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new Error(`cannot read ${file}: start \`hz up\` first, or see --data and ${option}`, { cause });
  }
}
