/** Text in a terminal: its width in columns, and how it is split into rows. */

const segmenter = new Intl.Segmenter(undefined, { granularity: 'grapheme' });
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
const ZERO_WIDTH = /[\p{M}\p{Cf}]/u;
const EMOJI = /[\p{Emoji_Presentation}\p{Regional_Indicator}]/u;
const EMOJI_STYLE = 0xfe0f;
/** First and last code points of blocks that Unicode calls East Asian wide or fullwidth. */
const WIDE: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0x4dbf],
  [0x4e00, 0xa4cf],
  [0xa960, 0xa97f],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe10, 0xfe19],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x16fe0, 0x1b2ff],
  [0x1f200, 0x1f2ff],
  [0x20000, 0x3fffd],
];

/** Splits a text into graphemes, which a user sees as one character each. */
export const graphemes = (text: string): string[] => Array.from(segmenter.segment(text), ({ segment }) => segment);

/**
 * Maximum columns that a terminal may use for the text. Terminals differ for joined emoji. A short row does no harm; a
 * row that is too long would be wrapped and break the layout below.
 */
export function width(text: string): number {
  let columns = 0;
  for (const character of text) columns += columnsOf(character);
  return columns;
}

function columnsOf(character: string): number {
  const code = character.codePointAt(0) ?? 0;
  if (code >= 0x20 && code < 0x7f) return 1;
  // Turns the symbol before it into an emoji, which is wide.
  if (code === EMOJI_STYLE) return 1;
  if (ZERO_WIDTH.test(character)) return 0;
  if (EMOJI.test(character)) return 2;
  return WIDE.some(([first, last]) => code >= first && code <= last) ? 2 : 1;
}

/** Replaces characters that control the terminal or change text direction. Line ends stay. */
export const clean = (text: string): string =>
  text
    .replace(/\r\n?/g, '\n')
    .split('\n')
    .map((line) => line.replace(CONTROL, ' '))
    .join('\n');

/** Splits text into rows of at most `columns`, at spaces; a word longer than a row is split anywhere. */
export const wrap = (text: string, columns: number): string[] =>
  text.split('\n').flatMap((line) => rowsOf(line, columns, true));

/** Splits text into rows of at most `columns`, filled without regard to words. */
export const fill = (text: string, columns: number): string[] =>
  text.split('\n').flatMap((line) => rowsOf(line, columns, false));

function rowsOf(line: string, atMost: number, atSpaces: boolean): string[] {
  const columns = Math.max(2, atMost);
  const rows: string[] = [];
  let row = '';
  let used = 0;
  for (const piece of graphemes(line)) {
    const more = width(piece);
    if (used + more > columns && row !== '') {
      const isBetweenWords = atSpaces && piece === ' ';
      const lastSpace = atSpaces && !isBetweenWords ? row.lastIndexOf(' ') : -1;
      rows.push(lastSpace < 0 ? row : row.slice(0, lastSpace).trimEnd());
      row = lastSpace < 0 ? '' : row.slice(lastSpace + 1);
      used = width(row);
      if (isBetweenWords) continue;
    }
    row += piece;
    used += more;
  }
  return [...rows, row];
}

/** Cuts text to at most `columns`, with `…` if something is omitted. */
export function truncate(text: string, columns: number): string {
  if (width(text) <= columns) return text;
  let row = '';
  let used = 1;
  for (const piece of graphemes(text)) {
    used += width(piece);
    if (used > columns) break;
    row += piece;
  }
  return `${row}…`;
}
