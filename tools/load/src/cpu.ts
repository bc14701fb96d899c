import { readFileSync } from 'node:fs';

/** The kernel's clock ticks are 10 ms on every Linux platform Node runs on. */
const TICK_US = 10_000;

/** The pids of each part of the system. Evaluated at each snapshot, because PostgreSQL's children change. */
export type Parts = Record<string, () => number[]>;

/** CPU microseconds since start: per part, and of the whole machine. */
export interface CpuSnapshot {
  at: number;
  parts: Record<string, number>;
  machineBusy: number;
  machineStolen: number;
}

export function cpuSnapshot(parts: Parts): CpuSnapshot {
  const used: Record<string, number> = {};
  for (const [name, pids] of Object.entries(parts)) {
    used[name] = pids().reduce((sum, pid) => sum + processCpu(pid), 0);
  }
  const { user, system } = process.cpuUsage();
  used['generator'] = user + system;
  const [busy, stolen] = machineCpu();
  return { at: performance.now(), parts: used, machineBusy: busy, machineStolen: stolen };
}

/**
 * CPU of all threads and of ended children that were waited for. So a PostgreSQL worker that starts and ends between
 * two snapshots counts with its postmaster.
 */
function processCpu(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return [11, 12, 13, 14].reduce((sum, i) => sum + Number(fields[i]), 0) * TICK_US;
  } catch {
    return 0;
  }
}

function machineCpu(): [busy: number, stolen: number] {
  const line = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0] ?? '';
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return [(user + nice + system + irq + softirq) * TICK_US, steal * TICK_US];
}

/** Resident memory in KiB. */
export function residentKiB(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(line?.[1] ?? 0);
}

export interface CpuUse {
  seconds: number;
  /** CPU microseconds per unit of work, by part. */
  perUnit: Record<string, number>;
  /** The sum without the generator. */
  services: number;
  /** In cores: used by our parts, used by other programs, and stolen by the host. */
  ourCores: number;
  otherCores: number;
  stolenCores: number;
}

export function cpuUse(from: CpuSnapshot, to: CpuSnapshot, units: number): CpuUse {
  const micros = (to.at - from.at) * 1000;
  const perUnit: Record<string, number> = {};
  let ours = 0;
  for (const [name, used] of Object.entries(to.parts)) {
    const spent = used - (from.parts[name] ?? 0);
    ours += spent;
    perUnit[name] = units > 0 ? round(spent / units) : 0;
  }
  const busy = to.machineBusy - from.machineBusy;
  return {
    seconds: round(micros / 1e6),
    perUnit,
    services: round(
      Object.entries(perUnit).reduce((sum, [name, micros]) => sum + (name === 'generator' ? 0 : micros), 0),
    ),
    ourCores: round(ours / micros),
    otherCores: round(Math.max(0, busy - ours) / micros),
    stolenCores: round((to.machineStolen - from.machineStolen) / micros),
  };
}

export const round = (value: number): number => Math.round(value * 100) / 100;
