import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { eventually } from '../bench.suite.ts';
import type { BroadcastOutcome } from './block-source.ts';
import { Outbox } from './outbox.ts';
import { LdkStore } from './store.ts';

// The funding transaction of BOLT 3, appendix B.
const FUNDING =
  '0200000001adbb20ea41a8423ea937e76e8151636bf6093b70eaff942930d20576600521fd000000006b48304502210090587b6201e166ad6af0227d3036a9454223d49a1f11839c1a362184340ef0240220577f7cd5cca78719405cbf1de7414ac027f0239ef6e214c90fcaab0454d84b3b012103535b32d5eb0a6ed0982a0479bbadc9868d9836f6ba94dd5a63be16d875069184ffffffff028096980000000000220020c015c4a6be010e21657068fc2e6a9d02b27ebe4d490a25846f7237f104d1a3cd20256d29010000001600143ca33c2e4446f4a305f23c80df8ad1afdcf652f900000000';
const TXID = '8984484a580b825b9972d7adb15050b3ab624ccd731946b3eeddb92f4e7ef6be';

let directory: string;
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'sparkle-outbox-'));
});
after(() => rmSync(directory, { recursive: true, force: true }));

function outboxAt({ name, answers }: { name: string; answers: (attempt: number) => BroadcastOutcome }) {
  const store = LdkStore.open(join(directory, name));
  const state = { height: 100, attempts: 0 };
  const warnings: string[] = [];
  const source = {
    broadcast: async (): Promise<BroadcastOutcome> => {
      state.attempts += 1;
      return answers(state.attempts);
    },
  };
  const warn = (words: string): void => void warnings.push(words);
  const outbox = new Outbox({ source, store, warn, height: () => state.height });
  const offer = async (): Promise<void> => {
    const before = state.attempts;
    outbox.flush();
    await eventually('an attempt', async () => (state.attempts > before ? true : undefined));
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { store, state, warnings, outbox, offer };
}

test('nothing is sent while the node still reads old blocks, and all of it afterwards', async () => {
  const { outbox, state, store } = outboxAt({ name: 'closed', answers: () => ({ state: 'accepted' }) });
  assert.equal(outbox.add([FUNDING]), TXID);
  outbox.flush();
  assert.equal(state.attempts, 0);
  outbox.open();
  await eventually('an attempt', async () => (state.attempts === 1 ? true : undefined));
  await outbox.end();
  store.close();
});

test('a transaction is offered until the chain has held it, or another for its inputs, for six blocks', async () => {
  const { outbox, state, store, offer } = outboxAt({
    name: 'final',
    answers: (attempt) => ({ state: attempt === 2 ? 'accepted' : 'final' }),
  });
  outbox.add([FUNDING]);
  outbox.open();
  await eventually('an attempt', async () => (state.attempts === 1 ? true : undefined));
  state.height = 105;
  // A reorg has brought it back into the mempool: the count starts anew.
  await offer();
  state.height = 107;
  await offer();
  state.height = 112;
  await offer();
  assert.equal(store.outbox().length, 1);
  state.height = 113;
  await offer();
  assert.deepEqual(store.outbox(), []);
  await outbox.end();
  store.close();
});

test('a refused transaction is offered again and given up after two weeks of blocks', async () => {
  const { outbox, state, store, warnings, offer } = outboxAt({
    name: 'refused',
    answers: () => ({ state: 'refused', reason: 'min relay fee not met' }),
  });
  outbox.add([FUNDING]);
  outbox.add([FUNDING]);
  outbox.open();
  await eventually('an attempt', async () => (state.attempts === 1 ? true : undefined));
  state.height = 100 + 2015;
  await offer();
  assert.equal(store.outbox().length, 1);
  state.height = 100 + 2016;
  await offer();
  assert.deepEqual(store.outbox(), []);
  assert.ok(warnings.every((words) => words.includes('min relay fee not met')));
  await outbox.end();
  store.close();
});

test('what was written down survives the process', () => {
  const first = outboxAt({ name: 'again', answers: () => ({ state: 'accepted' }) });
  first.outbox.add([FUNDING]);
  first.store.close();
  const { store } = outboxAt({ name: 'again', answers: () => ({ state: 'accepted' }) });
  assert.deepEqual(store.outbox(), [{ txid: TXID, raws: [FUNDING], addedHeight: 100, finalSince: undefined }]);
  store.close();
});
