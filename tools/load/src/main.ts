import { benchCommand } from './bench-command.js';

await benchCommand().parseAsync();
