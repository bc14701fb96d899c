import { fuzzCommand } from './fuzz-command.js';

await fuzzCommand().parseAsync();
