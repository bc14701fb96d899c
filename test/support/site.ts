import { projectRoot } from '@huizhi/dev-env';
import { build } from 'esbuild';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

const PAGE = '<!doctype html><meta charset="utf-8"><title>test</title>';
const SNIPPET = /```js\n((?:(?!```)[^])*export async function startChat(?:(?!```)[^])*)```/;

/** Serves an empty page, the SDK as `/huizhi.js`, and the documented module as `/chat.js`. */
export class Site {
  private constructor(private readonly server: Server) {}

  static async start(): Promise<Site> {
    const files = await scripts();
    const server = createServer(({ url = '/' }, response) => {
      const script = files.get(url);
      response.setHeader('content-type', script === undefined ? 'text/html' : 'text/javascript');
      response.end(script ?? PAGE);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Site(server);
  }

  /** The origin of the pages. The same server has another origin under the name of {@link foreignOrigin}. */
  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get foreignOrigin(): string {
    return `http://localhost:${this.port}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private get port(): number {
    return (this.server.address() as AddressInfo).port;
  }
}

/** The scripts by path: the SDK as bundled for browsers, and the module in docs/clients/javascript.md. */
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
