import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SparkleError } from '../../protocol/errors.ts';
import { Turns } from './turn.ts';

function turnsWith({ commit }: { commit: () => void }): { turns: Turns; done: string[] } {
  const done: string[] = [];
  const note = (what: string) => () => void done.push(what);
  const turns = new Turns({
    begin: note('begin'),
    workOff: note('work off'),
    save: note('save'),
    commit: () => {
      commit();
      done.push('commit');
    },
    rollback: note('rollback'),
    died: note('died'),
  });
  return { turns, done };
}

const plainTurns = () => turnsWith({ commit: () => undefined });

test('what leaves the process leaves after the commit, in order', () => {
  const { turns, done } = plainTurns();
  const answer = turns.run(() => {
    turns.afterCommit(() => done.push('first'));
    turns.afterCommit(() => done.push('second'));
    return 7;
  });
  assert.equal(answer, 7);
  assert.deepEqual(done, ['begin', 'work off', 'save', 'commit', 'first', 'second']);
});

test('a refusal is an answer: the turn is finished and saved before it is thrown', () => {
  const { turns, done } = plainTurns();
  const refuse = (): void => {
    throw new SparkleError('invoice_not_held', 'not held');
  };
  assert.throws(() => turns.run(refuse), { code: 'invoice_not_held' });
  assert.deepEqual(done, ['begin', 'work off', 'save', 'commit']);
  assert.equal(turns.over, false);
});

test('a panic ends the node: nothing is saved, nothing leaves, nothing is answered any more', () => {
  const { turns, done } = plainTurns();
  const panic = (): void => {
    turns.afterCommit(() => done.push('sent'));
    throw new Error('unreachable');
  };
  assert.throws(() => turns.run(panic), { code: 'lightning_unavailable' });
  assert.deepEqual(done, ['begin', 'rollback', 'died']);
  assert.throws(() => turns.run(() => undefined), { code: 'lightning_unavailable' });
});

test('a disk that takes no more ends the node before anything leaves', () => {
  const { turns, done } = turnsWith({
    commit: () => {
      throw new Error('disk full');
    },
  });
  assert.throws(() => turns.run(() => turns.afterCommit(() => done.push('sent'))), { code: 'lightning_unavailable' });
  assert.deepEqual(done, ['begin', 'work off', 'save', 'rollback', 'died']);
});

test('what leaves the process may take a turn of its own, and a turn inside a turn is a defect', () => {
  const { turns, done } = plainTurns();
  turns.run(() => turns.afterCommit(() => turns.run(() => done.push('nested'))));
  assert.ok(done.includes('nested'));
  assert.throws(() => turns.run(() => turns.run(() => undefined)), { code: 'lightning_unavailable' });
  assert.equal(turns.over, true);
});

test('outside a turn what leaves the process leaves at once', () => {
  const { turns, done } = plainTurns();
  turns.afterCommit(() => done.push('now'));
  assert.deepEqual(done, ['now']);
});
