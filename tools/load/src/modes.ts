import { drain } from './drain.js';
import { group } from './group.js';
import { growth } from './scaling.js';
import { hostile } from './hostile.js';
import { idle } from './idle.js';
import { logins } from './logins.js';
import type { Mode } from './mode.js';
import { soak } from './soak.js';
import { throughput } from './throughput.js';

export const modes: Readonly<Record<string, Mode>> = { throughput, group, growth, logins, drain, idle, hostile, soak };
