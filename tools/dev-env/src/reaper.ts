import { spawn, type ChildProcess } from 'node:child_process';
import { Socket } from 'node:net';

// A killed parent (SIGKILL, a CI time limit) cannot stop its children, and Node cannot ask the kernel to do it. So a
// small shell reads from a pipe; when this process ends, the shell reads the end of file and signals all listed
// processes. The shell runs only while there are children.
const SCRIPT = `
trap '' INT TERM HUP
list="$*"
while read -r verb pid signal; do
  case "$verb" in
    add) list="$list $signal:$pid" ;;
    del) rest=''; for entry in $list; do [ "\${entry#*:}" = "$pid" ] || rest="$rest $entry"; done; list="$rest" ;;
  esac
done
for entry in $list; do kill -"\${entry%%:*}" "\${entry#*:}" 2>/dev/null; done
`;

let shell: ChildProcess | undefined;
const guarded = new Map<number, NodeJS.Signals>();

/** Sends `signal` to `pid` if this process ends before it calls `unguard`. */
export function guard(pid: number, signal: NodeJS.Signals): void {
  guarded.set(pid, signal);
  if (shell === undefined) shell = startShell();
  else shell.stdin?.write(`add ${pid} ${nameOf(signal)}\n`);
}

export function unguard(pid: number): void {
  if (!guarded.delete(pid)) return;
  shell?.stdin?.write(`del ${pid}\n`);
  if (guarded.size === 0) {
    shell?.stdin?.end();
    shell = undefined;
  }
}

/** The signal name without its prefix, as `kill` expects it. */
const nameOf = (signal: NodeJS.Signals): string => signal.replace(/^SIG/, '');

function startShell(): ChildProcess {
  // The list is in the arguments: this process may be killed before it writes to the pipe.
  const list = Array.from(guarded, ([pid, signal]) => `${nameOf(signal)}:${pid}`);
  const child = spawn('/bin/sh', ['-c', SCRIPT, 'reaper', ...list], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    env: {},
  });
  // A shell that cannot start must not end this process: only the clean-up after a crash is lost.
  child.on('error', () => undefined);
  const startedAt = performance.now();
  // Replace a shell that was killed, so that the children stay guarded. A shell that lived less than 1 s is not
  // replaced.
  child.once('exit', () => {
    if (shell !== child) return;
    shell = undefined;
    if (performance.now() - startedAt >= 1_000) shell = startShell();
  });
  child.stdin.on('error', () => undefined);
  child.unref();
  if (child.stdin instanceof Socket) child.stdin.unref();
  return child;
}
