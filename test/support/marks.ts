/** Finds unique marker words in any encoding. */
export class Marks {
  private readonly writings: readonly string[];

  constructor(words: readonly string[]) {
    this.writings = words.flatMap(writingsOf);
  }

  in(line: string): boolean {
    return this.writings.some((writing) => line.includes(writing));
  }
}

/** The word itself, in base64 and base64url at any offset, in hex, and as an array of bytes. */
function writingsOf(word: string): string[] {
  const bytes = Buffer.from(word);
  const hex = bytes.toString('hex');
  const shifted = [0, 1, 2].flatMap((offset) => {
    const padded = Buffer.concat([Buffer.alloc(offset), bytes]);
    // The characters that depend on the word only.
    const from = Math.ceil((offset * 8) / 6);
    const to = Math.floor((padded.length * 8) / 6);
    return (['base64', 'base64url'] as const).map((encoding) => padded.toString(encoding).slice(from, to));
  });
  return [...new Set([word, hex, hex.toUpperCase(), bytes.join(','), ...shifted])];
}
