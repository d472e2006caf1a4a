import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Alarms } from './alarms.ts';
import type { Alarm } from './guardian.ts';

function world() {
  const told: Alarm[] = [];
  const lines: [string, Record<string, unknown>, string][] = [];
  const state = { isHeard: true, tick: () => {} };
  const note = (level: string) => (fields: Record<string, unknown>, sentence: string) =>
    void lines.push([level, fields, sentence]);
  const alarms = new Alarms({
    post: async (alarm) => {
      if (!state.isHeard) throw new Error('no way out');
      told.push(alarm);
    },
    clock: {
      every: (_, run) => {
        state.tick = run;
        return () => (state.tick = () => {});
      },
    },
    log: { info: note('info'), warn: note('warn'), error: note('error') },
  });
  return { alarms, told, lines, state };
}

test('what a trade alerts of is logged and told, with words for each', async () => {
  const { alarms, told, lines } = world();
  const log = alarms.log();
  log.error({ code: 'preimage_leaked', level: 'page', tradeId: 't1' }, 'look at once');
  log.error({ code: 'unexplained', level: 'warn' }, 'look');
  await alarms.flush();
  assert.deepEqual(told, [
    { level: 'page', code: 'preimage_leaked', sentence: 'look at once', tradeId: 't1' },
    { level: 'alert', code: 'unexplained', sentence: 'look' },
  ]);
  assert.deepEqual(lines[0], ['error', { code: 'preimage_leaked', alarm: 'page', tradeId: 't1' }, 'look at once']);
});

test('everything else is logged as it is and told to nobody', async () => {
  const { alarms, told, lines } = world();
  const log = alarms.log();
  log.info({ a: 1 }, 'one');
  log.warn({ code: 'x' }, 'two');
  log.error({ code: 'internal', error: 'y' }, 'three');
  log.error({ level: 'page' }, 'without a code');
  await alarms.flush();
  assert.deepEqual(told, []);
  assert.deepEqual(
    lines.map(([level, fields, sentence]) => [level, fields, sentence]),
    [
      ['info', { a: 1 }, 'one'],
      ['warn', { code: 'x' }, 'two'],
      ['error', { code: 'internal', error: 'y' }, 'three'],
      ['error', { level: 'page' }, 'without a code'],
    ],
  );
});

test('what nobody heard is told again each minute, in order, until it is heard', async () => {
  const { alarms, told, state } = world();
  const stop = alarms.start();
  state.isHeard = false;
  const log = alarms.log();
  for (const code of ['a', 'b']) log.error({ code, level: 'page' }, 'look');
  state.tick();
  await alarms.flush();
  assert.deepEqual(told, []);
  state.isHeard = true;
  state.tick();
  await alarms.flush();
  assert.deepEqual(
    told.map(({ code }) => code),
    ['a', 'b'],
  );
  stop();
});

test('of very many that nobody hears the first thousand are kept', async () => {
  const { alarms, told, state } = world();
  state.isHeard = false;
  const log = alarms.log();
  for (let i = 0; i < 1_005; i += 1) log.error({ code: `c${i}`, level: 'page' }, 'look');
  await alarms.flush();
  state.isHeard = true;
  await alarms.flush();
  assert.deepEqual([told.length, told[0]?.code, told.at(-1)?.code], [1_000, 'c0', 'c999']);
});

test('of very many that nobody hears a page takes the place of the newest that is none', async () => {
  const { alarms, told, state } = world();
  state.isHeard = false;
  const log = alarms.log();
  for (let i = 0; i < 1_000; i += 1) log.error({ code: `c${i}`, level: 'warn' }, 'look');
  for (const code of ['first', 'second']) log.error({ code, level: 'page' }, 'look at once');
  log.error({ code: 'late', level: 'warn' }, 'look');
  await alarms.flush();
  state.isHeard = true;
  await alarms.flush();
  assert.deepEqual([told.length, ...told.slice(-3).map(({ code }) => code)], [1_000, 'c997', 'first', 'second']);
});
