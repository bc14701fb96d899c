import { check, codecs, type Codec } from './codec-target.js';
import { Coverage } from './coverage.js';
import { mutated } from './mutate.js';
import { Random } from './random.js';

/** Inputs per coverage reading, because each reading costs 1–2 ms. */
const BATCH = 200;
const MAX_FINDINGS = 20;

export interface Finding {
  readonly input: Uint8Array;
  readonly why: string;
}

export interface CodecRun {
  readonly executions: number;
  readonly corpus: readonly Uint8Array[];
  /** Number of different outcomes: errors, and frame types with their fields. */
  readonly answers: number;
  readonly coverage: { readonly ran: number; readonly of: number };
  readonly findings: readonly Finding[];
}

export interface CodecFuzz {
  readonly seed: number;
  readonly corpus: readonly Uint8Array[];
  readonly codecs?: readonly Codec[];
  /** Called after each batch. */
  readonly isOver: (run: CodecRun) => boolean;
}

/**
 * Mutates and runs inputs, and keeps those that run new code or produce a new outcome. Runs with the same seed are
 * equal.
 */
export function fuzzCodec({ seed, corpus: begin, codecs: all = codecs, isOver }: CodecFuzz): CodecRun {
  const coverage = new Coverage((url) => /\/libs\/protocol\/src\/(?!bus\/)/.test(url) && !url.includes('.test.'));
  const random = new Random(seed);
  const corpus = [...begin];
  const answers = new Set<string>();
  const findings: Finding[] = [];
  let executions = 0;

  const run = (input: Uint8Array): boolean => {
    executions += 1;
    let isNew = false;
    try {
      for (const answer of check(input, all)) {
        if (answers.has(answer)) continue;
        answers.add(answer);
        isNew = true;
      }
    } catch (error) {
      const why = (error as Error).message;
      if (!findings.some((one) => one.why === why)) findings.push({ input, why });
    }
    return isNew;
  };
  const state = (): CodecRun => ({ executions, corpus, answers: answers.size, coverage: coverage.total, findings });

  /**
   * The inputs that run new code. It runs halves again, because reading coverage is expensive and running inputs is
   * not.
   */
  const lit = (inputs: readonly Uint8Array[]): Uint8Array[] => {
    const middle = inputs.length >> 1;
    if (middle === 0) return coverage.take() > 0 ? [...inputs] : [];
    return [inputs.slice(0, middle), inputs.slice(middle)].flatMap((half) => {
      for (const input of half) run(input);
      // A single input is counted; larger halves are split again.
      return half.length === 1 || coverage.hasNews() ? lit(half) : [];
    });
  };

  try {
    for (const input of begin) run(input);
    coverage.take();
    while (findings.length < MAX_FINDINGS && !isOver(state())) {
      const inputs = Array.from({ length: BATCH }, () => mutated(random.of(corpus), random, random.of(corpus)));
      const kept = new Set(inputs.filter(run));
      if (coverage.hasNews()) for (const input of lit(inputs)) kept.add(input);
      corpus.push(...kept);
    }
    return state();
  } finally {
    coverage.stop();
  }
}
