import { spawn } from 'node:child_process';

/**
 * A shell that outlives this process by a moment: when our end of its pipe closes, however we died, it kills the program
 * it was told of last and removes `dir`, unless that is ''. Told to release, it goes without doing anything.
 */
export function keeper(dir) {
  const script =
    'trap "" INT TERM HUP; pid=none; while read word; do [ "$word" = done ] && exit 0; pid=$word; done; ' +
    '[ "$pid" = none ] || kill -9 "$pid" 2>/dev/null; sleep 0.2; [ -z "$1" ] || rm -rf "$1"';
  const child = spawn('/bin/sh', ['-c', script, 'sh', dir], { stdio: ['pipe', 'ignore', 'ignore'] });
  child.unref();
  child.stdin.unref?.();
  child.stdin.on('error', () => undefined);
  return {
    guards: (pid) => child.stdin.write(`${pid}\n`),
    guardsNothing: () => child.stdin.write('none\n'),
    release: () => child.stdin.end('done\n'),
  };
}
