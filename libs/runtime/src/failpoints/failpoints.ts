import { FailpointSpecError, parseFailpoints, type FailpointSpec } from './spec.js';

/**
 * Failpoints: named places in the code at which a test or an operator makes the process crash, fail, wait or hang.
 *
 * They make it possible to test a crash at an exact place. There is one set per process. They are never enabled in
 * production; a disabled failpoint costs one comparison.
 */

/** Thrown by a failpoint armed with `error`. */
export class FailpointError extends Error {
  override readonly name = 'FailpointError';
  readonly code = 'failpoint';
}

interface Point {
  hits: number;
  fired: number;
  armed: (FailpointSpec & { seen: number }) | undefined;
}

export interface FailpointStatus {
  readonly name: string;
  /** How often the place was passed since failpoints were enabled. */
  readonly hits: number;
  readonly fired: number;
  /** The spec with which it is armed; empty if it is not. */
  readonly armed: string;
}

const points = new Map<string, Point>();
let enabled = false;
let bugsAllowed = false;

/** Registers names; call it at the top of the module that uses them. Declaring a name twice is harmless. */
export function declareFailpoints(...names: string[]): void {
  for (const name of names) if (!points.has(name)) points.set(name, { hits: 0, fired: 0, armed: undefined });
}

/** Enables counting and arming. The start of a service calls it outside production, with `bugs` in tests only. */
export function enableFailpoints({ bugs = false }: { readonly bugs?: boolean } = {}): void {
  enabled = true;
  bugsAllowed = bugs;
}

/** Disarms all failpoints, resets the counts and disables failpoints. */
export function resetFailpoints(): void {
  enabled = bugsAllowed = false;
  for (const point of points.values()) Object.assign(point, { hits: 0, fired: 0, armed: undefined });
}

/**
 * Arms the failpoints in `text` (see `parseFailpoints`), all or none; others do not change.
 * @throws FailpointSpecError for a syntax error, for an undeclared name, and for a seeded bug where those are not
 * allowed
 */
export function armFailpoints(text: string): void {
  if (!enabled) throw new FailpointSpecError('failpoints are not enabled in this process');
  const specs = parseFailpoints(text);
  const unknown = specs.filter((spec) => !points.has(spec.name)).map((spec) => spec.name);
  if (unknown.length > 0) {
    throw new FailpointSpecError(
      `unknown failpoint ${unknown.join(', ')}; known: ${[...points.keys()].sort().join(', ')}`,
    );
  }
  const bug = specs.find(({ name }) => name.startsWith('bug.'));
  if (bug && !bugsAllowed) throw new FailpointSpecError(`${bug.name} is a seeded bug: only with NODE_ENV=test`);
  for (const spec of specs) Object.assign(points.get(spec.name) as Point, { armed: { ...spec, seen: 0 } });
}

/** Without a name, disarms all. */
export function disarmFailpoints(name?: string): void {
  for (const [known, point] of points) if (name === undefined || name === known) point.armed = undefined;
}

export function failpointStatus(): FailpointStatus[] {
  return [...points].map(([name, { hits, fired, armed }]) => ({
    name,
    hits,
    fired,
    armed: armed ? written(armed) : '',
  }));
}

/**
 * Passes a failpoint in synchronous code. `delay` and `hang` block the whole process, like a stopped machine.
 * @throws FailpointError when armed with `error`
 */
export function failpoint(name: string): void {
  if (!enabled) return;
  const action = pass(name);
  if (!action) return;
  if (action.kind === 'delay') block(action.ms);
  else if (action.kind === 'hang') block(Infinity);
  else fail(name, action.kind);
}

/**
 * Passes a failpoint in asynchronous code; undefined while failpoints are disabled. `delay` and `hang` block only the
 * caller.
 * @throws FailpointError (as a rejection) when armed with `error`
 */
export function failpointAsync(name: string): Promise<void> | undefined {
  return enabled ? passAsync(name) : undefined;
}

/**
 * A seeded bug: true where the code must misbehave, so that the history checker can be shown to detect it. The action
 * of its spec does not matter. Never true outside tests.
 */
export function seededBug(name: `bug.${string}`): boolean {
  return enabled && pass(name) !== undefined;
}

async function passAsync(name: string): Promise<void> {
  const action = pass(name);
  if (!action) return;
  if (action.kind === 'delay') await new Promise((resolve) => setTimeout(resolve, action.ms));
  else if (action.kind === 'hang') await new Promise<never>(() => undefined);
  else fail(name, action.kind);
}

/** Counts the hit and returns the action if it fires. */
function pass(name: string): FailpointSpec['action'] | undefined {
  const point = points.get(name);
  if (!point)
    throw new FailpointSpecError(`failpoint "${name}" is passed but not declared: add it to declareFailpoints`);
  point.hits += 1;
  const { armed } = point;
  if (!armed) return undefined;
  armed.seen += 1;
  if (armed.seen < armed.fromHit || armed.seen >= armed.fromHit + armed.times) return undefined;
  point.fired += 1;
  return armed.action;
}

function fail(name: string, kind: 'crash' | 'error' | 'hang'): never {
  // SIGKILL instead of exit: nothing may be flushed, released or sent.
  if (kind === 'crash') {
    process.kill(process.pid, 'SIGKILL');
    block(Infinity);
  }
  throw new FailpointError(`failpoint ${name}`);
}

function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

function written({ name, action, fromHit, times }: FailpointSpec): string {
  const what = action.kind === 'delay' ? `delay:${action.ms}` : action.kind;
  return `${name}=${what}${fromHit > 1 ? `@${fromHit}` : ''}${times === Infinity ? '' : `x${times}`}`;
}
