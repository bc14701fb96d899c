import { eventually, requireBinary } from '@huizhi/dev-env';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { CHROMIUM_ARGS } from './browser.js';
import { Site } from './site.js';

/** Seconds that a page must be hidden before Chromium throttles its timers; Chromium's default is five minutes. */
const GRACE_S = 3;
const START_MS = 30_000;

interface Answer {
  id?: number;
  result?: object;
  error?: { message: string };
}

interface Evaluated {
  result: { value?: unknown };
  exceptionDetails?: { exception?: { description?: string } };
}

/**
 * Chromium with pages that are really hidden, so that it throttles them intensively: chained timers fire once a minute.
 * Playwright makes every page believe that it has the focus, so this class uses the DevTools protocol directly.
 */
export class HiddenTabs {
  private readonly waiting = new Map<number, { resolve(result: object): void; reject(error: Error): void }>();
  private lastID = 0;

  private constructor(
    private readonly site: Site,
    private readonly profile: string,
    private readonly process: ChildProcess,
    private readonly socket: WebSocket,
  ) {
    socket.on('message', (data: Buffer) => {
      const { id, result = {}, error } = JSON.parse(data.toString('utf8')) as Answer;
      const waiting = id === undefined ? undefined : this.waiting.get(id);
      if (id === undefined || !waiting) return;
      this.waiting.delete(id);
      if (error) waiting.reject(new Error(error.message));
      else waiting.resolve(result);
    });
  }

  static async start(): Promise<HiddenTabs> {
    const site = await Site.start();
    const profile = mkdtempSync(join(tmpdir(), 'huizhi-chromium-'));
    const throttling = `--enable-features=IntensiveWakeUpThrottling:grace_period_seconds/${GRACE_S}`;
    const args = [...CHROMIUM_ARGS, '--headless=new', '--remote-debugging-port=0', `--user-data-dir=${profile}`];
    const process = spawn(requireBinary('chromium'), [...args, throttling, 'about:blank'], { stdio: 'ignore' });
    const portFile = join(profile, 'DevToolsActivePort');
    const url = await eventually(
      'the DevTools port of Chromium',
      async () => {
        if (process.exitCode !== null) throw new Error(`Chromium ended with ${process.exitCode}`);
        const [port, path] = existsSync(portFile) ? readFileSync(portFile, 'utf8').split('\n') : [];
        return port && path ? `ws://127.0.0.1:${port}${path}` : undefined;
      },
      START_MS,
    );
    const socket = new WebSocket(url);
    await once(socket, 'open');
    return new HiddenTabs(site, profile, process, socket);
  }

  get origin(): string {
    return this.site.origin;
  }

  /** Opens a new tab in the foreground, which hides all other tabs. */
  async open(): Promise<Tab> {
    const { targetId } = (await this.call('Target.createTarget', { url: `${this.site.origin}/` })) as {
      targetId: string;
    };
    const { sessionId } = (await this.call('Target.attachToTarget', { targetId, flatten: true })) as {
      sessionId: string;
    };
    const tab = new Tab(this, targetId, sessionId);
    await eventually('the page to load', async () =>
      (await tab.evaluate(`document.readyState === 'complete' && location.protocol === 'http:'`)) ? true : undefined,
    );
    return tab;
  }

  call(method: string, params: object, sessionId?: string): Promise<object> {
    const id = ++this.lastID;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.socket.send(JSON.stringify({ id, method, params, sessionId }));
    });
  }

  async stop(): Promise<void> {
    const ended = this.process.exitCode === null ? once(this.process, 'exit') : undefined;
    await this.call('Browser.close', {});
    await ended;
    this.socket.close();
    await this.site.stop();
    rmSync(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

export class Tab {
  constructor(
    private readonly tabs: HiddenTabs,
    private readonly targetId: string,
    private readonly sessionId: string,
  ) {}

  /** Evaluates an expression in the page and awaits its value. */
  async evaluate(expression: string): Promise<unknown> {
    const { result, exceptionDetails } = (await this.tabs.call(
      'Runtime.evaluate',
      { expression, awaitPromise: true, returnByValue: true },
      this.sessionId,
    )) as Evaluated;
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? 'the page threw');
    return result.value;
  }

  async show(): Promise<void> {
    await this.tabs.call('Target.activateTarget', { targetId: this.targetId });
  }

  /** Changes the network state that the browser reports to the page; open connections stay open. */
  async setNetwork(state: 'online' | 'offline'): Promise<void> {
    const unlimited = { latency: 0, downloadThroughput: -1, uploadThroughput: -1 };
    await this.tabs.call('Network.enable', {}, this.sessionId);
    await this.tabs.call(
      'Network.emulateNetworkConditions',
      { offline: state === 'offline', ...unlimited },
      this.sessionId,
    );
  }

  async setLifecycle(state: 'frozen' | 'active'): Promise<void> {
    await this.tabs.call('Page.setWebLifecycleState', { state }, this.sessionId);
  }
}
