/** Text in a terminal: how many columns it takes, and how it is cut into rows. */

const segmenter = new Intl.Segmenter(undefined, { granularity: 'grapheme' });
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
const ZERO_WIDTH = /[\p{M}\p{Cf}]/u;
const EMOJI = /[\p{Emoji_Presentation}\p{Regional_Indicator}]/u;
const EMOJI_STYLE = 0xfe0f;
/** First and last code points of what Unicode calls East Asian wide or fullwidth, blocks taken whole. */
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

/** What a user sees as one character each. */
export const graphemes = (text: string): string[] => Array.from(segmenter.segment(text), ({ segment }) => segment);

/**
 * The most columns that a terminal may take for this. Terminals differ in emoji that are joined of several: a row that is a little
 * short does no harm, one that is too long would be broken by the terminal and spoil what is drawn after it.
 */
export function width(text: string): number {
  let columns = 0;
  for (const character of text) columns += columnsOf(character);
  return columns;
}

function columnsOf(character: string): number {
  const code = character.codePointAt(0) ?? 0;
  if (code >= 0x20 && code < 0x7f) return 1;
  // Makes the symbol before it an emoji, which is wide.
  if (code === EMOJI_STYLE) return 1;
  if (ZERO_WIDTH.test(character)) return 0;
  if (EMOJI.test(character)) return 2;
  return WIDE.some(([first, last]) => code >= first && code <= last) ? 2 : 1;
}

/** Without what could steer this terminal or turn the direction of its text. Line ends stay. */
export const clean = (text: string): string =>
  text
    .replace(/\r\n?/g, '\n')
    .split('\n')
    .map((line) => line.replace(CONTROL, ' '))
    .join('\n');

/** Rows of at most `columns`, broken at spaces; a word that is longer than a row is broken anywhere. */
export const wrap = (text: string, columns: number): string[] =>
  text.split('\n').flatMap((line) => rowsOf(line, columns, true));

/** Rows of at most `columns`, filled to the end without regard to words. */
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

/** At most `columns`, with `…` when something is left out. */
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
