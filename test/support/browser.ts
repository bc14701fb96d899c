import { requireBinary } from '@huizhi/dev-env';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type BrowserContext, type Page } from 'playwright-core';
import { Site } from './site.js';

export const CHROMIUM_ARGS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
  // The test's certificate is self-signed.
  ...['--disable-component-update', '--disable-sync', '--ignore-certificate-errors'],
];

/** Chromium with pages that load the SDK and the documented example. */
export class Browser {
  private constructor(
    private readonly site: Site,
    private readonly context: BrowserContext,
    private readonly profile: string,
  ) {}

  static async start(): Promise<Browser> {
    const site = await Site.start();
    const profile = mkdtempSync(join(tmpdir(), 'huizhi-chromium-'));
    try {
      const context = await chromium.launchPersistentContext(profile, {
        executablePath: requireBinary('chromium'),
        args: CHROMIUM_ARGS,
        headless: true,
      });
      return new Browser(site, context, profile);
    } catch (error) {
      await site.stop();
      rmSync(profile, { recursive: true, force: true });
      throw error;
    }
  }

  get origin(): string {
    return this.site.origin;
  }

  get foreignOrigin(): string {
    return this.site.foreignOrigin;
  }

  async page(origin = this.origin): Promise<Page> {
    const page = await this.context.newPage();
    await page.goto(`${origin}/`);
    return page;
  }

  async stop(): Promise<void> {
    await this.context.close();
    await this.site.stop();
    rmSync(this.profile, { recursive: true, force: true });
  }
}
