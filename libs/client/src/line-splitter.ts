const LF = 0x0a;

/** What arrived is not a JSON line, or longer than this client is willing to hold. */
export class WireError extends Error {
  override readonly name = 'WireError';
}

/**
 * Bytes in, lines of text out (see {@link parseFrame}). Unlike the server's decoder it leaves room for arrays (offline batches) and
 * trusts depth and text: they come from a server that checked them. Holds at most one unfinished line of at most `limit` bytes.
 */
export class LineSplitter {
  private readonly utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  private parts: Uint8Array[] = [];
  private held = 0;

  constructor(private readonly limit: number) {}

  /** @throws WireError when a line is too long or not UTF-8; the connection is then over */
  push(bytes: Uint8Array, onLine: (text: string) => void): void {
    let start = 0;
    for (let end = bytes.indexOf(LF); end !== -1; end = bytes.indexOf(LF, start)) {
      const line = this.finish(bytes.subarray(start, end));
      start = end + 1;
      if (line.length > 0) onLine(line);
    }
    if (start < bytes.length) this.hold(bytes.subarray(start));
  }

  private finish(tail: Uint8Array): string {
    if (this.held === 0) return this.text(tail);
    this.hold(tail);
    const whole = new Uint8Array(this.held);
    let offset = 0;
    for (const part of this.parts) {
      whole.set(part, offset);
      offset += part.length;
    }
    this.parts = [];
    this.held = 0;
    return this.text(whole);
  }

  private hold(rest: Uint8Array): void {
    this.held += rest.length;
    if (this.held > this.limit) throw new WireError(`a frame is longer than ${this.limit} bytes`);
    this.parts.push(rest.slice());
  }

  private text(line: Uint8Array): string {
    if (line.length > this.limit) throw new WireError(`a frame is longer than ${this.limit} bytes`);
    try {
      return this.utf8.decode(line).trim();
    } catch {
      throw new WireError('a frame is not UTF-8');
    }
  }
}

/** @throws WireError when the text is not a JSON object or array */
export function parseFrame(text: string): object {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new WireError('a frame is not JSON');
  }
  if (typeof value !== 'object' || value === null) throw new WireError('a frame is neither an object nor an array');
  return value;
}
