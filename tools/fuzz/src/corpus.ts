import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { projectRoot } from '@huizhi/dev-env';
import { codecs, type Codec } from './codec-target.js';

interface LineRow {
  utf8?: string;
  base64?: string;
  hex?: string;
}
interface FrameRow {
  raw: Record<string, unknown>;
}

const MAX_SEED_BYTES = 4 * 1024;

/** The initial corpus: the golden vectors, each frame in every codec. */
export function seeds(all: readonly Codec[] = codecs): Uint8Array[] {
  const folder = join(projectRoot(), 'libs/protocol/fixtures');
  const found: Uint8Array[] = [new Uint8Array(0)];
  for (const name of readdirSync(folder)
    .filter((each) => each.endsWith('.json'))
    .sort()) {
    const { rows } = JSON.parse(readFileSync(join(folder, name), 'utf8')) as { rows?: (LineRow & Partial<FrameRow>)[] };
    for (const row of rows ?? []) found.push(...bytesOf(row, all));
  }
  return found.filter(({ length }) => length <= MAX_SEED_BYTES);
}

function bytesOf({ utf8, base64, hex, raw }: LineRow & Partial<FrameRow>, all: readonly Codec[]): Uint8Array[] {
  if (typeof utf8 === 'string') return [Buffer.from(utf8)];
  if (typeof base64 === 'string') return [Buffer.from(base64, 'base64')];
  if (typeof hex === 'string') return [Buffer.from(hex, 'hex')];
  if (typeof raw !== 'object') return [];
  const json = JSON.stringify(raw);
  return all.map(({ encode }) => {
    const encoded = encode(json);
    return typeof encoded === 'string' ? Buffer.from(encoded) : encoded;
  });
}

/** Inputs found on this machine; the file name is a hash of the content. */
export class CorpusFolder {
  private readonly folder: string;

  constructor(name: string) {
    this.folder = join(projectRoot(), '.data/fuzz', name);
    mkdirSync(this.folder, { recursive: true });
  }

  all(): Uint8Array[] {
    return readdirSync(this.folder)
      .filter((name) => name.endsWith('.bin'))
      .sort()
      .map((name) => readFileSync(join(this.folder, name)));
  }

  /** Writes the input and returns its path. */
  save(input: Uint8Array, why?: string): string {
    const path = join(this.folder, createHash('sha256').update(input).digest('hex').slice(0, 16));
    writeFileSync(`${path}.bin`, input);
    if (why !== undefined) writeFileSync(`${path}.txt`, `${why}\n`);
    return `${path}.bin`;
  }
}
