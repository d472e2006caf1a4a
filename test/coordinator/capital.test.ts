import assert from 'node:assert/strict';
import { test } from 'node:test';
import { config } from '../../world/house.ts';
import { ASKED_SATS, Booth } from './booth.ts';

test('of two payments that are held at the same moment the coordinator fills as many as it may put its own money into', async (context) => {
  const limits = { ...config.limits, capitalAtRiskSats: ASKED_SATS + 20_000n };
  const booth = await Booth.open({ limits });
  context.after(() => booth.close());
  const items = [await booth.listed('one'), await booth.listed('two')];
  const bought = [];
  for (const { inscriptionId } of items) bought.push(await booth.prepared(inscriptionId));
  const pay = { maxFeeMsat: 100_000n, maxCltvBlocks: 432, timeoutSeconds: 60 };
  await Promise.all(
    bought.map(({ prepared }) => booth.nodes.buyer.lightning.pay({ bolt11: prepared.invoice ?? '', ...pay })),
  );
  await booth.settle();
  const statuses = await Promise.all(bought.map((one) => booth.statusOf(one)));
  assert.deepEqual(statuses.toSorted(), ['broadcast', 'failed']);
});
