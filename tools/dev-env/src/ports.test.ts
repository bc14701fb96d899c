import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { transformFile } from '@swc/core';
import { freePort } from './ports.js';

let folder: string;
const others: ChildProcess[] = [];
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'huizhi-ports-'));
  const { code } = await transformFile(join(import.meta.dirname, 'ports.ts'), {
    jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
    module: { type: 'es6' },
  });
  writeFileSync(join(folder, 'ports.mjs'), code);
  writeFileSync(
    join(folder, 'other.mjs'),
    `import { freePort } from './ports.mjs';
     console.log(await freePort(Number(process.argv[2])));
     setInterval(() => {}, 1000);`,
  );
});
afterAll(() => {
  for (const other of others) other.kill('SIGKILL');
  rmSync(folder, { recursive: true });
});

/** Starts another process that requests this port. Returns the port it got, and a function that kills the process. */
async function elsewhere(preferred: number): Promise<{ port: number; kill9: () => Promise<unknown> }> {
  const other = spawn(process.execPath, [join(folder, 'other.mjs'), String(preferred)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  others.push(other);
  const [line] = (await once(other.stdout, 'data')) as [Buffer];
  const ended = once(other, 'exit');
  return {
    port: Number(line),
    kill9: () => {
      other.kill('SIGKILL');
      return ended;
    },
  };
}

describe('freePort', () => {
  it('gives each port once, and again when the same process asks for it', async () => {
    const ports = await Promise.all(Array.from({ length: 50 }, () => freePort()));
    expect(new Set(ports).size).toBe(50);
    expect(await freePort(ports[0])).toBe(ports[0]);
  });

  it('gives no port that has a listener, even when the caller prefers it', async () => {
    const port = await freePort();
    const server = createServer().listen(port, '127.0.0.1');
    await once(server, 'listening');
    expect(await freePort(port)).not.toBe(port);
    server.close();
    await once(server, 'close');
    expect(await freePort(port)).toBe(port);
  });

  it('reserves a port against other processes until its own process ends, with or without a listener', async () => {
    const port = await freePort();
    const other = await elsewhere(port);
    expect(other.port).not.toBe(port);
    expect(await freePort(other.port)).not.toBe(other.port);
    await other.kill9();
    expect(await freePort(other.port)).toBe(other.port);
  });
});
