import { Command } from 'commander';
import { runDemo } from '../demo/run-demo.js';
import { explain } from '../explain.js';
import { targetFrom, withTarget, type TargetOptions } from '../target.js';

interface DemoOptions extends TargetOptions {
  open: boolean;
}

/** `hz demo`: the demonstration against a running system. Exit code 1 when a step failed. */
export function demoCommand(): Command {
  return withTarget(new Command('demo'))
    .description('run the demonstration against a running system; every step checks its results')
    .option('--open', 'the system requires no tokens (HZ_AUTH=open)', false)
    .action(async (options: DemoOptions, command: Command) => {
      try {
        const { failed } = await runDemo({ ...targetFrom(options), open: options.open }, (line) =>
          process.stdout.write(`${line}\n`),
        );
        if (failed > 0) process.exitCode = 1;
      } catch (error) {
        command.error(explain(error));
      }
    });
}
