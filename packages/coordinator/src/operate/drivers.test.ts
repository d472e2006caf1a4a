import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lndCapabilities } from 'sparkle-protocol/lightning/lnd/node';
import { nwcCapabilities } from 'sparkle-protocol/lightning/nwc/nwc';
import { withCode } from '../database/database.suite.ts';
import { assertForwards, openLightning } from './drivers.ts';
import { createLog } from '../http/log.ts';

const LND = {
  type: 'lnd',
  host: 'localhost:10009',
  macaroonPath: 'none',
  certPath: undefined,
  adminMacaroon: 'refused',
} as const;

async function canPay(forwardSats: bigint, overLightning = false): Promise<boolean> {
  const log = createLog({ level: 'error', destination: { write: () => {} } });
  const decided = { limits: { forwardSats }, royalties: { overLightning } };
  const lightning = await openLightning({ lightning: LND, network: 'regtest', ...decided }, log);
  await lightning.close();
  return lightning.capabilities.pay;
}

test('drivers: the node is given to pay with where sales are passed on or creators paid, and nowhere else', async () => {
  assert.deepEqual([await canPay(0n), await canPay(1n), await canPay(0n, true)], [false, true, true]);
});

test('drivers: sales are not passed on by a node that cannot cap what that costs, or cannot pay', () => {
  const wallet = nwcCapabilities({ offers: () => true, tellsHeight: true, marginBlocks: 0 });
  const forwards = { forwardSats: 50_000n };
  assert.throws(() => assertForwards(wallet, forwards), withCode('bad_config', /lacks routeCap, feeCap; got 50000$/));
  assert.throws(() => assertForwards(lndCapabilities(['receive'], 18), forwards), withCode('bad_config', /lacks pay/));
  assert.doesNotThrow(() => assertForwards(lndCapabilities(['receive', 'pay'], 18), forwards));
  assert.doesNotThrow(() => assertForwards(wallet, { forwardSats: 0n }));
});
