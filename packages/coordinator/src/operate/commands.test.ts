import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { type Commands, runCommand } from './commands.ts';
import type { Config } from '../config/config.ts';

/** Runs the command line with commands that only say that they ran. */
async function run(args: string[], commands: Partial<Commands> = {}) {
  const said = { out: '', err: '', ran: '' };
  const ran = (name: string) => async (_: unknown, given?: unknown) => {
    said.ran += `${name}${given === undefined ? '' : ` ${JSON.stringify(given)}`}`;
  };
  const code = await runCommand(args, {
    config: () => ({}) as Config,
    terminal: { out: (text) => (said.out += text), err: (text) => (said.err += text) },
    commands: { serve: ran('serve'), check: ran('check'), backup: ran('backup'), report: ran('report'), ...commands },
    version: '1.2.3',
  });
  return { code, ...said };
}

test('commands: without a word the coordinator serves', async () => {
  assert.deepEqual(await run([]), { code: 0, out: '', err: '', ran: 'serve' });
  assert.equal((await run(['serve'])).ran, 'serve');
  assert.equal((await run(['check'])).ran, 'check');
});

test('commands: --version and --help answer on standard output and end with 0', async () => {
  assert.deepEqual(await run(['--version']), { code: 0, out: '1.2.3\n', err: '', ran: '' });
  const { code, out, ran } = await run(['--help']);
  assert.deepEqual([code, ran], [0, '']);
  assert.match(out, /^Usage: coordinator/);
});

test('commands: what is no command, no option or too much is refused with 2, and nothing is done', async () => {
  for (const args of [['sevre'], ['--sevre'], ['serve', 'now'], ['serve', '--now'], ['backup'], ['backup', 'a', 'b']]) {
    const { code, out, err, ran } = await run(args);
    assert.deepEqual([args, code, out, ran], [args, 2, '', '']);
    assert.match(err, /^error: /);
  }
});

test('commands: a word that is none is named', async () => {
  assert.match((await run(['sevre'])).err, /^error: unknown command 'sevre'\n\(Did you mean serve\?\)/);
});

test('commands: a command is given what stands behind it', async () => {
  assert.equal((await run(['backup', 'copy.db'])).ran, 'backup {"file":"copy.db"}');
});

test('commands: a configuration that must be changed ends with 2, what fails with 1, each in its own words', async () => {
  const failing = (error: Error) => run([], { serve: async () => Promise.reject(error) });
  const wrong = await failing(new SparkleError('bad_config', 'PORT must be a port'));
  assert.deepEqual([wrong.code, wrong.err], [2, 'PORT must be a port\n']);
  const away = await failing(new SparkleError('chain_unavailable', 'the node does not answer'));
  assert.deepEqual([away.code, away.err], [1, 'the node does not answer\n']);
  const defect = await failing(new TypeError('undefined is no function'));
  assert.equal(defect.code, 1);
  assert.match(defect.err, /^TypeError: undefined is no function\n +at /);
});

test('commands: a report is of a month, for people or for a program', async () => {
  assert.equal((await run(['report', '--month', '2026-11'])).ran, 'report {"json":false,"month":"2026-11"}');
  assert.equal((await run(['report', '--month', '2026-11', '--json'])).ran, 'report {"json":true,"month":"2026-11"}');
});

test('commands: what is no month is refused in a sentence, and nothing is opened', async () => {
  for (const month of ['2026-13', '2026-1', '11-2026', 'november', '']) {
    const { code, err, ran } = await run(['report', '--month', month]);
    assert.deepEqual([code, ran], [2, '']);
    assert.match(
      err,
      /^error: option '--month <YYYY-MM>' argument '.*' is invalid\. It must be a month as YYYY-MM\.$/m,
    );
  }
  assert.match((await run(['report'])).err, /required option '--month <YYYY-MM>' not specified/);
});
