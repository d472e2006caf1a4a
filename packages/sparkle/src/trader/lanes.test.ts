import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLanes } from './lanes.ts';

/** Work that ends when it is told to. */
function gate() {
  let open = () => {};
  const passed = new Promise<void>((resolve) => (open = resolve));
  return { open, passed };
}

test('work of one lane runs in order and never overlaps', async () => {
  const lanes = createLanes();
  const seen: string[] = [];
  const first = gate();
  const one = lanes.run('a', async () => {
    await first.passed;
    seen.push('one');
  });
  const two = lanes.run('a', async () => void seen.push('two'));
  first.open();
  await Promise.all([one, two]);
  assert.deepEqual(seen, ['one', 'two']);
});

test('a lane does not wait for another', async () => {
  const lanes = createLanes();
  const stuck = gate();
  const one = lanes.run('a', () => stuck.passed);
  await lanes.run('b', async () => {});
  stuck.open();
  await one;
});

test('work that fails tells its caller and does not stop its lane', async () => {
  const lanes = createLanes();
  await assert.rejects(
    lanes.run('a', () => Promise.reject(new Error('no'))),
    /no/,
  );
  await lanes.run('a', async () => {});
});

test('later work that has not begun is not queued twice, and work that has begun is', async () => {
  const lanes = createLanes();
  const busy = gate();
  let times = 0;
  const count = async () => void (times += 1);
  const first = lanes.run('a', () => busy.passed);
  const asked = [lanes.later('a', count), lanes.later('a', count)];
  busy.open();
  await Promise.all([first, ...asked]);
  assert.equal(times, 1);
  await lanes.later('a', count);
  assert.equal(times, 2);
});

test('idle waits for all lanes, also for work that is added meanwhile', async () => {
  const lanes = createLanes();
  let done = false;
  void lanes.run('a', async () => {
    void lanes.run('b', async () => void (done = true));
  });
  await lanes.idle();
  assert.equal(done, true);
});
