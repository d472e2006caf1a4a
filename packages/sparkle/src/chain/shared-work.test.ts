import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sharedWork } from './shared-work.ts';

test('the same work is done once while it runs, and again afterwards', async () => {
  const share = sharedWork<number>();
  let done = 0;
  const work = async (): Promise<number> => (done += 1);
  assert.deepEqual(await Promise.all([share('a', work), share('a', work), share('b', work)]), [1, 1, 2]);
  assert.equal(await share('a', work), 3);
});

test('work that fails fails for all who wait for it, and is tried again afterwards', async () => {
  const share = sharedWork<string>();
  const fail = async (): Promise<string> => Promise.reject(new Error('away'));
  const both = [share('a', fail), share('a', async () => 'not this one')];
  for (const one of both) await assert.rejects(one, /away/);
  assert.equal(await share('a', async () => 'back'), 'back');
});
