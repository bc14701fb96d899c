import { projectRoot, requireBinary } from '@huizhi/constellation';
import { build } from 'esbuild';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type BrowserContext, type Page } from 'playwright-core';

const ARGS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
  // The test's certificate is its own authority.
  ...['--disable-component-update', '--disable-sync', '--ignore-certificate-errors'],
];
const PAGE = '<!doctype html><meta charset="utf-8"><title>test</title>';
const SNIPPET = /```js\n((?:(?!```)[^])*export async function startChat(?:(?!```)[^])*)```/;

/** Chromium, and pages that hold the SDK and what the documentation shows of it. */
export class Browser {
  private constructor(
    private readonly server: Server,
    private readonly context: BrowserContext,
    private readonly profile: string,
  ) {}

  static async start(): Promise<Browser> {
    const files = await scripts();
    const server = createServer(({ url = '/' }, response) => {
      const script = files.get(url);
      response.setHeader('content-type', script === undefined ? 'text/html' : 'text/javascript');
      response.end(script ?? PAGE);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const profile = mkdtempSync(join(tmpdir(), 'huizhi-chromium-'));
    try {
      const context = await chromium.launchPersistentContext(profile, {
        executablePath: requireBinary('chromium'),
        args: ARGS,
        headless: true,
      });
      return new Browser(server, context, profile);
    } catch (error) {
      server.close();
      rmSync(profile, { recursive: true, force: true });
      throw error;
    }
  }

  /** Of the pages; the same server is another origin by the name of {@link foreignOrigin}. */
  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get foreignOrigin(): string {
    return `http://localhost:${this.port}`;
  }

  async page(origin = this.origin): Promise<Page> {
    const page = await this.context.newPage();
    await page.goto(`${origin}/`);
    return page;
  }

  async stop(): Promise<void> {
    await this.context.close();
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
    rmSync(this.profile, { recursive: true, force: true });
  }

  private get port(): number {
    return (this.server.address() as AddressInfo).port;
  }
}

/** By path: the SDK as it is bundled for browsers, and the module that docs/clients/javascript.md shows. */
async function scripts(): Promise<Map<string, string>> {
  const { outputFiles } = await build({
    entryPoints: [join(projectRoot(), 'libs/client/src/browser.ts')],
    ...{ bundle: true, platform: 'browser', format: 'esm', target: 'es2022', write: false, logLevel: 'silent' },
  });
  const text = readFileSync(join(projectRoot(), 'docs/clients/javascript.md'), 'utf8');
  const snippet = SNIPPET.exec(text)?.[1];
  if (snippet === undefined) throw new Error('docs/clients/javascript.md shows no startChat');
  return new Map([
    ['/huizhi.js', outputFiles[0]!.text],
    ['/chat.js', snippet],
  ]);
}
