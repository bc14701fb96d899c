import { graphemes } from './text.js';

/** A key as `node:readline` reports it. */
export interface Key {
  name?: string;
  ctrl?: boolean;
  meta?: boolean;
  sequence?: string;
}

/** Effect of a key. */
export type Pressed = 'edited' | 'submit' | 'interrupt' | 'end' | 'redraw' | 'nothing';

const MAX_HISTORY = 200;
const LAST_WORD = /\S+\s*$/;
const NEXT_WORD = /^\s*\S+/;

/** The input line: text and cursor, with the usual keys. Independent of a terminal. */
export class Editor {
  text = '';
  /** Position in UTF-16 units, between two graphemes. */
  cursor = 0;
  private readonly history: string[] = [];
  private historyAt = 0;
  private draft = '';
  private pasting = false;

  /** @param typed the characters of the key, if any */
  press(typed: string | undefined, key: Key): Pressed {
    if (key.name === 'paste-start' || key.name === 'paste-end') {
      this.pasting = key.name === 'paste-start';
      return 'nothing';
    }
    if (this.pasting) return this.insert(key.name === 'return' || key.name === 'enter' ? '\n' : (typed ?? ''));
    if (key.ctrl) return this.control(key.name ?? '');
    const edited = this.edit(key);
    if (edited !== undefined) return edited;
    if (key.name === 'return' || key.name === 'enter') return 'submit';
    return typed !== undefined && !typed.startsWith('\u001b') ? this.insert(typed) : 'nothing';
  }

  /** Returns the text, adds it to the history and empties the line. */
  take(): string {
    const { text } = this;
    if (text.trim() !== '' && this.history.at(-1) !== text) this.history.push(text);
    if (this.history.length > MAX_HISTORY) this.history.shift();
    this.historyAt = this.history.length;
    this.set('');
    return text;
  }

  private insert(text: string): Pressed {
    if (text === '') return 'nothing';
    const clean = text.replace(/\r\n?/g, '\n').replace(/\t/g, ' ');
    this.text = this.text.slice(0, this.cursor) + clean + this.text.slice(this.cursor);
    this.cursor += clean.length;
    return 'edited';
  }

  private control(name: string): Pressed {
    switch (name) {
      case 'c':
        return 'interrupt';
      case 'd':
        return this.text === '' ? 'end' : this.remove(this.cursor, this.after());
      case 'l':
        return 'redraw';
      case 'a':
        return this.move(0);
      case 'e':
        return this.move(this.text.length);
      case 'b':
        return this.move(this.before());
      case 'f':
        return this.move(this.after());
      case 'u':
        return this.remove(0, this.cursor);
      case 'k':
        return this.remove(this.cursor, this.text.length);
      case 'w':
        return this.remove(this.wordBefore(), this.cursor);
      case 'h':
        return this.remove(this.before(), this.cursor);
      case 'p':
        return this.recall(-1);
      case 'n':
        return this.recall(1);
      case 'left':
        return this.move(this.wordBefore());
      case 'right':
        return this.move(this.wordAfter());
      default:
        return 'nothing';
    }
  }

  private edit({ name, meta }: Key): Pressed | undefined {
    switch (name) {
      case 'backspace':
        return this.remove(meta ? this.wordBefore() : this.before(), this.cursor);
      case 'delete':
        return this.remove(this.cursor, this.after());
      case 'left':
        return this.move(meta ? this.wordBefore() : this.before());
      case 'right':
        return this.move(meta ? this.wordAfter() : this.after());
      case 'home':
        return this.move(0);
      case 'end':
        return this.move(this.text.length);
      case 'up':
        return this.recall(-1);
      case 'down':
        return this.recall(1);
      default:
        return undefined;
    }
  }

  private move(to: number): Pressed {
    this.cursor = to;
    return 'edited';
  }

  private remove(from: number, to: number): Pressed {
    this.text = this.text.slice(0, from) + this.text.slice(to);
    this.cursor = from;
    return 'edited';
  }

  private recall(step: number): Pressed {
    const at = this.historyAt + step;
    if (at < 0 || at > this.history.length) return 'nothing';
    if (this.historyAt === this.history.length) this.draft = this.text;
    this.historyAt = at;
    return this.set(this.history[at] ?? this.draft);
  }

  private set(text: string): Pressed {
    this.text = text;
    return this.move(text.length);
  }

  private before(): number {
    return this.cursor - (graphemes(this.text.slice(0, this.cursor)).at(-1)?.length ?? 0);
  }

  private after(): number {
    return this.cursor + (graphemes(this.text.slice(this.cursor))[0]?.length ?? 0);
  }

  private wordBefore(): number {
    return this.cursor - (LAST_WORD.exec(this.text.slice(0, this.cursor))?.[0].length ?? this.cursor);
  }

  private wordAfter(): number {
    return this.cursor + (NEXT_WORD.exec(this.text.slice(this.cursor))?.[0].length ?? this.text.length - this.cursor);
  }
}
