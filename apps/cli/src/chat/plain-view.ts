import { createInterface, type Interface } from 'node:readline';
import type { ChatModel, InEntry, LinkState } from './model.js';
import { entryLine } from './render.js';
import type { Input } from './terminal-view.js';

/** The chat without a terminal, for pipes, scripts and logs. Prints each final entry as a line. */
export class PlainView {
  private readonly lines: Interface;
  private readonly announced = new WeakSet<InEntry>();
  private link: LinkState | undefined;
  private over = false;

  constructor(
    private readonly model: ChatModel,
    input: Input,
    stdin: NodeJS.ReadableStream,
    private readonly print: (line: string) => void,
  ) {
    this.lines = createInterface({ input: stdin });
    this.lines.on('line', (line) => input.onLine(line));
    this.lines.on('close', () => {
      if (!this.over) input.onLeave();
    });
    this.update();
  }

  update(): void {
    const { link, why, open } = this.model;
    // One line per outage, regardless of the number of attempts.
    const shown = link === 'connecting' ? undefined : link;
    if (shown !== undefined && shown !== this.link) {
      this.link = shown;
      this.print(`-- ${shown}${why === '' ? '' : ` (${why})`}`);
    }
    for (const entry of this.model.takeFinal()) this.print(entryLine(entry));
    for (const entry of open) {
      if (entry.kind !== 'in' || this.announced.has(entry)) continue;
      this.announced.add(entry);
      this.print(entryLine(entry));
    }
  }

  close(): void {
    this.over = true;
    this.update();
    this.lines.close();
  }
}
