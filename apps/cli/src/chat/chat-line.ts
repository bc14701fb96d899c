import { HuizhiClient, type Target } from '@huizhi/client';
import type { Delivery } from '@huizhi/protocol';
import { addressOf } from '../demo/address.js';
import type { DemoTarget } from '../demo/run-demo.js';

const HELP = '/to <user>   /group <id>   /new <user> [<user> …]   /history   /quit   anything else is sent';
const SETTLE_MS = 5_000;

/** A line client: what is typed goes out, what comes and every receipt is printed. */
export class ChatLine {
  private readonly client: HuizhiClient;
  private target: Target | undefined;
  private readonly unsettled = new Set<Promise<unknown>>();

  constructor(
    server: DemoTarget,
    private readonly user: string,
    deviceID: string,
    private readonly say: (line: string) => void,
  ) {
    this.client = new HuizhiClient({
      address: addressOf(server),
      user,
      deviceID,
      deviceType: 'terminal',
      token: () => server.token(user),
    });
    this.client.on('state', (state) => say(`· ${state}`));
    this.client.on('message', (message) => this.show(message));
    this.client.on('confirmed', (inboxSeq) => say(`· confirmed up to ${inboxSeq}`));
    this.client.on('closed', (code, name, reconnect) =>
      say(`· closed: ${name} (${code})${reconnect ? ', reconnecting' : ''}`),
    );
    this.client.on('error', (error) => say(`· ${error.message}`));
  }

  async start(): Promise<void> {
    await this.client.connect();
    this.say(`You are ${this.user}. ${HELP}`);
  }

  /** One line of input. False: it was the last. */
  async take(line: string): Promise<boolean> {
    const [command = '', ...words] = line.trim().split(/\s+/);
    if (command === '/quit') return false;
    if (command === '') return true;
    if (command === '/to' && words[0]) this.choose({ user: words[0] });
    else if (command === '/group' && words[0]) this.choose({ group: words[0] });
    else if (command === '/new' && words.length > 0) await this.make(words);
    else if (command === '/history') await this.recall();
    else if (command.startsWith('/') || !this.target) this.say(HELP);
    else this.send(this.target, line);
    return true;
  }

  /** Waits a little for receipts that are on their way. */
  async stop(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise((resolve) => (timer = setTimeout(resolve, SETTLE_MS)));
    await Promise.race([Promise.allSettled([...this.unsettled]), late]);
    clearTimeout(timer);
    await this.client.close();
  }

  private choose(target: Target): void {
    this.target = target;
    this.say(`· writing to ${'user' in target ? target.user : `group ${target.group}`}`);
  }

  private send(target: Target, text: string): void {
    const { receipt } = this.client.sendText(target, text);
    const settled = receipt
      .then(({ seq, messageID }) => this.say(`  ✓ ${seq} ${messageID}`))
      .catch((error: Error) => this.say(`  ✗ ${error.message}`))
      .finally(() => this.unsettled.delete(settled));
    this.unsettled.add(settled);
  }

  private async make(members: string[]): Promise<void> {
    try {
      const { groupID } = await this.client.createGroup(members).receipt;
      if (groupID !== undefined) this.choose({ group: groupID });
    } catch (error) {
      this.say(`  ✗ ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  private async recall(): Promise<void> {
    if (!this.target) return this.say(HELP);
    try {
      const { messages } = await this.client.history(this.target, { limit: 20 });
      for (const message of messages) this.show(message);
    } catch (error) {
      this.say(`  ✗ ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  private show({ seq, fromUserID, groupID, contenType, content }: Delivery): void {
    const where = groupID === undefined ? '' : `@${groupID}`;
    const what = typeof content.text === 'string' ? content.text : `[${contenType}]`;
    // Control characters of somebody else's text must not steer this terminal.
    this.say(`${seq} ${fromUserID}${where}: ${what.replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ')}`);
  }
}
