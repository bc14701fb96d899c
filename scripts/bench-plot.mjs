// Draws docs/bench.svg from bench/results: CPU per message at each rate, against the budget, and latency. The output
// does not depend on fonts, time or chance, so that a check can compare it byte by byte.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { root } from './run.mjs';

const WIDTH = 920;
const HEIGHT = 330;
const INK = '#24292f';
const PAPER = '#ffffff';
/** A palette that colour-blind readers can distinguish. */
const COLOURS = { gateway: '#0072b2', message: '#e69f00', offline: '#009e73', nats: '#cc79a7', postgres: '#56b4e9' };
const PARTS = Object.keys(COLOURS);
const BUDGET = '#d55e00';
/** An outline that keeps figures readable over lines. */
const HALO = { fill: INK, stroke: PAPER, strokeWidth: 4 };
const SHADES = { p50: '#0072b2', p90: '#e69f00', p99: '#d55e00' };

/** The results that are tracked by git, oldest first. An untracked local run changes no document. */
export function savedResults() {
  const folder = join(root, 'bench', 'results');
  return known(folder)
    .sort()
    .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')))
    .filter(({ format }) => format === 2);
}

function known(folder) {
  const isResult = (name) => name.endsWith('.json') && existsSync(join(folder, name));
  try {
    const listed = execFileSync('git', ['ls-files', '.'], {
      cwd: folder,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return listed.split('\n').filter(isResult);
  } catch {
    // The sources have no git repository.
    return readdirSync(folder).filter(isResult);
  }
}

/** The newest result per mode, size and rate. */
export function newestOfEach(results) {
  const key = ({ mode, options }) =>
    JSON.stringify([mode, options.sessions, options.members, options.rate, options.messages]);
  return [...new Map(results.map((result) => [key(result), result])).values()];
}

const throughput = (results) =>
  newestOfEach(results)
    .filter(({ mode, options }) => mode === 'throughput' && options.sessions === 200)
    .sort((a, b) => a.options.rate - b.options.rate);

const thousands = (value) => String(value).replace(/\B(?=(\d{3})+$)/g, ',');
const rateOf = ({ options }) => `${thousands(options.rate)}/s`;

function drawing(document, options) {
  return Plot.plot({
    document,
    width: WIDTH / 2,
    height: HEIGHT,
    marginTop: 64,
    marginBottom: 42,
    marginLeft: 52,
    style: { background: PAPER, color: INK, fontSize: '12px', fontFamily: 'system-ui, sans-serif' },
    ...options,
  });
}

function cost(document, results, budget) {
  const rows = results.flatMap((result) =>
    PARTS.map((part) => ({ rate: rateOf(result), part, micros: result.median.cpu.perUnit[part] })),
  );
  const sums = results.map((result) => ({ rate: rateOf(result), micros: result.median.cpu.services }));
  return drawing(document, {
    className: 'cost',
    x: { label: 'messages per second →', domain: results.map(rateOf), padding: 0.35 },
    y: { label: null, grid: true, domain: [0, 1.12 * Math.max(budget, ...sums.map(({ micros }) => micros))] },
    color: { domain: PARTS, range: Object.values(COLOURS) },
    marks: [
      Plot.barY(rows, Plot.stackY({ order: PARTS }, { x: 'rate', y: 'micros', fill: 'part' })),
      Plot.ruleY([0], { stroke: INK }),
      Plot.ruleY([budget], { stroke: BUDGET, strokeDasharray: '5 4', strokeWidth: 1.5 }),
      Plot.text(sums, {
        ...HALO,
        x: 'rate',
        y: 'micros',
        text: ({ micros }) => String(Math.round(micros)),
        dy: -8,
        fontWeight: 600,
      }),
    ],
  });
}

function latency(document, results) {
  const rows = results.flatMap((result) => {
    const found = result.median.latencies['end-to-end delivery'];
    return Object.keys(SHADES).map((share) => ({ rate: rateOf(result), share, ms: found[share] }));
  });
  const highest = Math.max(...rows.map(({ ms }) => ms));
  return drawing(document, {
    className: 'latency',
    x: { label: 'messages per second →', domain: results.map(rateOf), type: 'point', padding: 0.5 },
    y: { label: null, grid: true, domain: [0, 1.15 * highest] },
    color: { domain: Object.keys(SHADES), range: Object.values(SHADES) },
    marks: [
      Plot.ruleY([0], { stroke: INK }),
      Plot.lineY(rows, { x: 'rate', y: 'ms', stroke: 'share', strokeWidth: 2 }),
      Plot.dot(rows, { x: 'rate', y: 'ms', fill: 'share', r: 3.5 }),
      Plot.text(rows, { ...HALO, x: 'rate', y: 'ms', text: ({ ms }) => String(Math.round(ms)), dy: -10 }),
    ],
  });
}

const text = (x, y, content, more = '') => `<text x="${x}" y="${y}" ${more}>${content}</text>`;

/** Approximate width in pixels at 12 px, sufficient for a legend. */
const widthOf = (name) =>
  [...name].reduce((sum, letter) => sum + (/[mw]/.test(letter) ? 11 : /[filt]/.test(letter) ? 4 : 7.3), 0);

/** A title with its legend below. */
function heading(x, title, colours, dashed) {
  const legend = [];
  let at = x;
  for (const [name, colour] of Object.entries(colours)) {
    legend.push(`<rect x="${at}" y="41" width="11" height="11" rx="2" fill="${colour}"/>${text(at + 16, 51, name)}`);
    at += 24 + widthOf(name);
  }
  if (dashed !== undefined) {
    const line = `<line x1="${at}" x2="${at + 18}" y1="47" y2="47" stroke="${BUDGET}" stroke-width="1.5" stroke-dasharray="5 4"/>`;
    legend.push(line + text(at + 24, 51, dashed));
  }
  return text(x, 26, title, 'font-size="15" font-weight="600"') + legend.join('');
}

/**
 * The conditions of the runs. It states when other programs were active, because their latencies must not be quoted.
 */
function noteOf(shown) {
  const { machine, options } = shown.at(-1);
  const runs = Math.min(...shown.map((result) => result.runs.length));
  const others = Math.max(...shown.map(({ median: { cpu } }) => cpu.otherCores + cpu.stolenCores));
  return [
    `200 sessions, ${options.bytes} bytes, TLS, generator on the same ${machine.cores} cores`,
    runs > 1 ? `medians of at least ${runs} runs` : 'single runs',
    others > 0.1 ? `not quiet: others used up to ${others.toFixed(1)} cores` : 'quiet machine',
    shown
      .map(({ date }) => date.slice(0, 10))
      .sort()
      .at(-1),
  ].join('; ');
}

/** One SVG with both plots on its own background, readable on dark pages too. */
export function benchSvg(results, budget) {
  const shown = throughput(results);
  if (shown.length === 0) throw new Error('bench/results has no throughput run with 200 sessions to draw');
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const place = (svg, x) => {
    svg.setAttribute('x', String(x));
    svg.setAttribute('y', '0');
    return svg.outerHTML;
  };
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT + 34}" viewBox="0 0 ${WIDTH} ${HEIGHT + 34}"`,
    ` font-family="system-ui, sans-serif" font-size="12" fill="${INK}" role="img">`,
    '<title>What a message costs and how long it takes, at each rate</title>',
    `<rect width="100%" height="100%" rx="6" fill="${PAPER}"/>`,
    place(cost(document, shown, budget.services), 0),
    place(latency(document, shown), WIDTH / 2),
    heading(16, 'CPU of the services per message, µs', COLOURS, `budget ${budget.services}`),
    heading(WIDTH / 2 + 16, 'From the intended send time to delivery, ms', SHADES),
    text(16, HEIGHT + 20, noteOf(shown), 'fill="#57606a" font-size="11"'),
    '</svg>\n',
  ].join('');
}

/** One row per kind of work, the newest of each, for the README. */
export function benchRows(results) {
  return newestOfEach(results)
    .sort((a, b) => order(a).localeCompare(order(b)))
    .map((result) => {
      const { date, runs, median, unit } = result;
      const { services, perUnit, otherCores, stolenCores } = median.cpu;
      const others = Math.round((otherCores + stolenCores) * 100) / 100;
      const cpu = `${Math.round(services)} + ${Math.round(perUnit.generator ?? 0)} per ${unit}`;
      return [work(result), outcome(result), cpu, others, runs.length, date.slice(0, 10)];
    });
}

const MODES = ['throughput', 'hostile', 'group', 'growth', 'logins', 'drain', 'idle', 'soak'];
const order = ({ mode, options }) => `${MODES.indexOf(mode)} ${String(options.rate ?? 0).padStart(8, '0')}`;

function work({ mode, options: { sessions, members, messages, rate, minutes } }) {
  if (mode === 'throughput') return `${thousands(sessions)} sessions in pairs, ${thousands(rate)} messages/s`;
  if (mode === 'group') return `a group of ${members}, ${rate} messages/s from one`;
  if (mode === 'growth') return `${thousands(rate)} messages/s, up to ${thousands(sessions)} sessions`;
  if (mode === 'logins') return `logins, ${thousands(sessions)} users`;
  if (mode === 'drain') return `${thousands(sessions)} users come back to ${thousands(messages)} messages`;
  if (mode === 'hostile')
    return `${thousands(sessions)} sessions in pairs, ${thousands(rate)} messages/s, beside stalled ones`;
  if (mode === 'soak') return `${minutes} minutes beside waves of hostile connections`;
  return `${thousands(sessions)} idle sessions`;
}

/** The main figure of the mode; in modes with a rate, also the latency. */
function outcome({ mode, median: { figures, latencies } }) {
  const figure = (name) => thousands(Math.round(figures[name]));
  const delivery = latencies['end-to-end delivery'];
  const times = delivery && `p50 ${Math.round(delivery.p50)}, p99 ${Math.round(delivery.p99)} ms end to end`;
  if (mode === 'throughput') return `${figure('rate reached (msg/s)')} messages/s; ${times}`;
  if (mode === 'group') return `${figure('deliveries/s')} deliveries/s; ${times}`;
  if (mode === 'growth') return `${figures['growth (times)']} times the CPU of 200 sessions`;
  if (mode === 'logins') return `${figure('logins/s')} logins/s`;
  if (mode === 'drain') return `all confirmed after ${figures['all delivered and confirmed after (s)']} s`;
  if (mode === 'hostile')
    return `${figures['p99 beside them (times)']} times the p99 beside ${figure('stalled connections')} that stall`;
  if (mode === 'soak')
    return `RSS ${figure('RSS of the second third (MiB, median)')}, then ${figure('RSS of the last third (MiB, median)')} MiB`;
  return `${figure('sessions per GiB')} sessions per GiB`;
}
