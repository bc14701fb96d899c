import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from './eventually.js';
import { identityOf, isAlive, type ProcessIdentity } from './pid-file.js';
import { descendants } from './process-tree.js';
import { ManagedProcess, type Exit } from './process.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'huizhi-process-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function node(script: string, more: { pidFile?: string } = {}): Promise<ManagedProcess> {
  return ManagedProcess.spawn({ name: 'probe', command: process.execPath, args: ['-e', script], env: {}, ...more });
}

const IDLE = 'console.log("up"); setInterval(() => {}, 1000);';
const STUBBORN = `process.on("SIGTERM", () => console.log("no")); ${IDLE}`;

async function isUp(probe: ManagedProcess): Promise<ManagedProcess> {
  await eventually('the first line', () => probe.logs.includes('up'));
  return probe;
}

describe('ManagedProcess', () => {
  it('stops on SIGTERM', async () => {
    const probe = await isUp(await node(IDLE));
    expect(await probe.stop('SIGTERM', 5_000)).toEqual({ exit: { code: null, signal: 'SIGTERM' }, forced: false });
    expect(probe.running).toBe(false);
  });

  it('kills a process that ignores SIGTERM, and stops a frozen one with SIGTERM', async () => {
    const stubborn = await isUp(await node(STUBBORN));
    expect(await stubborn.stop('SIGTERM', 200)).toEqual({ exit: { code: null, signal: 'SIGKILL' }, forced: true });
    const frozen = await isUp(await node(IDLE));
    frozen.freeze();
    expect(await frozen.stop('SIGTERM', 5_000)).toMatchObject({ forced: false });
  });

  it('reports an unexpected end with the last log lines', async () => {
    const probe = await node('console.error("the reason"); setTimeout(() => process.exit(3), 50)');
    const crash = await new Promise<Exit>((resolve) => probe.onCrash(resolve));
    expect(crash).toEqual({ code: 3, signal: null });
    expect(probe.describe('died')).toBe('probe died (exit code 3, signal null). Its last log lines:\nthe reason');
  });

  it('keeps the last 2,000 log lines', async () => {
    const probe = await node('for (let i = 0; i < 5000; i++) console.log(i)');
    await probe.exited;
    expect(probe.logs.length).toBe(2_000);
    expect(probe.logs.at(-1)).toBe('4999');
  });

  it('kills the process named in the pid file before it starts another', async () => {
    const pidFile = join(folder, 'pid');
    const first = await isUp(await node(IDLE, { pidFile }));
    const second = await isUp(await node(IDLE, { pidFile }));
    expect(await first.exited).toEqual({ code: null, signal: 'SIGKILL' });
    await second.kill9();
  });

  it('rejects a start when the program is missing', async () => {
    const missing = ManagedProcess.spawn({ name: 'ghost', command: '/no/such/program', args: [], env: {} });
    await expect(missing).rejects.toThrow('cannot start ghost');
  });

  it.each([
    ['ends when its parent is killed', false],
    ['ends when the reaper of its parent and then the parent are killed', true],
  ])(
    '%s',
    async (_, killsReaper) => {
      const parent = join(folder, 'parent.mjs');
      const compiled = join(folder, 'run.mjs');
      // The parent runs in plain Node, which cannot load TypeScript: it imports reaper.ts as compiled JavaScript.
      writeFileSync(compiled, 'setInterval(() => {}, 1000)');
      writeFileSync(
        parent,
        `import { guard } from ${JSON.stringify(await reaperAsJs())};
       import { spawn } from 'node:child_process';
       const child = spawn(process.execPath, [${JSON.stringify(compiled)}], { detached: true, stdio: 'ignore' });
       guard(child.pid, 'SIGKILL');
       console.log(child.pid);
       setInterval(() => {}, 1000);`,
      );
      const running = spawn(process.execPath, [parent], { stdio: ['ignore', 'pipe', 'inherit'] });
      try {
        const pid = await new Promise<number>((resolve) =>
          running.stdout.once('data', (data: Buffer) => resolve(Number(data))),
        );
        const child = identityOf(pid) as ProcessIdentity;
        expect(isAlive(child)).toBe(true);
        const reapers = (): number[] => descendants(running.pid as number).filter((one) => one !== pid);
        const [reaper] = await eventually('the reaper', () => reapers().length === 1 && reapers());
        if (killsReaper) {
          // A reaper that lived less than 1 s is not replaced.
          await new Promise((resolve) => setTimeout(resolve, 1_500));
          process.kill(reaper as number, 'SIGKILL');
          await eventually('another reaper', () => reapers().length === 1 && !reapers().includes(reaper as number));
        }
        running.kill('SIGKILL');
        await eventually('the orphan to end', () => !isAlive(child), 20_000);
      } finally {
        running.kill('SIGKILL');
      }
    },
    60_000,
  );
});

async function reaperAsJs(): Promise<string> {
  const { transformFile } = await import('@swc/core');
  const { code } = await transformFile(join(import.meta.dirname, 'reaper.ts'), {
    jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
    module: { type: 'es6' },
  });
  const file = join(folder, 'reaper.mjs');
  writeFileSync(file, code);
  return file;
}
