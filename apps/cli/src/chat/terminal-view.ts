import { emitKeypressEvents } from 'node:readline';
import type { ReadStream, WriteStream } from 'node:tty';
import { Editor, type Key } from './editor.js';
import type { ChatModel } from './model.js';
import { entryRows, liveRows } from './render.js';
import { Screen } from './screen.js';

export interface Input {
  onLine(line: string): void;
  /** Called at Ctrl-C, at Ctrl-D on an empty line, and at the end of the input. */
  onLeave(): void;
}

/** The chat in a terminal. The input line stays in place while messages arrive above it. */
export class TerminalView {
  private readonly editor = new Editor();
  private readonly screen: Screen;
  private scheduled = false;
  private over = false;

  constructor(
    private readonly model: ChatModel,
    private readonly input: Input,
    private readonly stdin: ReadStream,
    private readonly stdout: WriteStream,
  ) {
    this.screen = new Screen((text) => void stdout.write(text));
    emitKeypressEvents(stdin);
    stdin.setRawMode(true);
    stdin.on('keypress', this.onKey);
    stdin.on('end', this.onEnd);
    stdin.resume();
    stdout.on('resize', this.onResize);
    this.update();
  }

  /** Schedules one draw for all changes until then. */
  update(): void {
    if (this.scheduled || this.over) return;
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      if (!this.over) this.draw();
    });
  }

  close(): void {
    if (this.over) return;
    this.over = true;
    const left = this.model.open.flatMap((entry) => entryRows(entry, this.columns));
    this.screen.end([...this.finalRows(), ...left]);
    this.stdin.off('keypress', this.onKey).off('end', this.onEnd);
    this.stdout.off('resize', this.onResize);
    this.stdin.setRawMode(false);
    this.stdin.pause();
  }

  private readonly onKey = (typed: string | undefined, key: Key): void => {
    switch (this.editor.press(typed, key)) {
      case 'submit':
        this.input.onLine(this.editor.take());
        break;
      case 'interrupt':
      case 'end':
        return this.input.onLeave();
      case 'redraw':
        this.screen.clear();
        break;
      case 'nothing':
        return;
      case 'edited':
    }
    this.update();
  };

  private readonly onEnd = (): void => this.input.onLeave();

  private readonly onResize = (): void => {
    this.screen.resize(this.stdout.columns);
    this.update();
  };

  /** Number of usable columns. One stays free, because a terminal may wrap a row that fills it. */
  private get columns(): number {
    return Math.max(4, (this.stdout.columns || 80) - 1);
  }

  private finalRows(): string[] {
    return this.model.takeFinal().flatMap((entry) => entryRows(entry, this.columns));
  }

  private draw(): void {
    this.screen.draw(this.finalRows(), liveRows(this.model, this.editor, this.columns, this.stdout.rows || 24));
  }
}
