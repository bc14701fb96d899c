#!/usr/bin/env node
import { hz } from './hz.js';

await (await hz(process.argv.slice(2))).parseAsync();
