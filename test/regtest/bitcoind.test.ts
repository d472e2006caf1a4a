import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startRegtest, withoutBitcoind, type Regtest } from './bitcoind.ts';

describe('a private regtest node', { skip: withoutBitcoind }, () => {
  let regtest: Regtest;
  before(async () => {
    regtest = await startRegtest();
  });
  after(() => regtest.stop());

  test('it mines, pays and confirms', async () => {
    const wallet = await regtest.fundedWallet({ name: 'anna', sats: 123_456n });
    const coins = await regtest.rpc<{ amount: number; address: string }[]>('listunspent', [], wallet);
    assert.deepEqual(
      coins.map(({ amount }) => amount),
      [0.00123456],
    );
    assert.match(coins[0]?.address ?? '', /^bcrt1p/);
  });

  test('an inscription is revealed in a block, on the first sat of its output', async () => {
    const { txid, valueSats } = await regtest.inscribe({ body: 'hello', contentType: 'text/plain' });
    const tx = await regtest.rpc<{
      confirmations: number;
      vin: { txinwitness: string[] }[];
      vout: { value: number }[];
    }>('getrawtransaction', [txid, 1]);
    assert.equal(tx.confirmations, 1);
    assert.equal(tx.vout[0]?.value, Number(valueSats) / 1e8);
    // OP_FALSE OP_IF "ord" 0x01 "text/plain" OP_0 "hello" OP_ENDIF
    const envelope = `0063036f72640101${'0a'}${Buffer.from('text/plain').toString('hex')}0005${Buffer.from('hello').toString('hex')}68`;
    assert.ok(tx.vin[0]?.txinwitness[1]?.endsWith(envelope));
  });

  test('a reorg replaces blocks and leaves their transactions in the mempool when asked', async () => {
    const outpoint = await regtest.pay({ to: await regtest.address(), sats: 5_000n });
    await regtest.mine(2);
    const height = await regtest.height();
    await regtest.reorg({ depth: 2, mempool: 'waiting' });
    assert.equal(await regtest.height(), height + 1);
    assert.deepEqual(await regtest.rpc('getrawmempool'), [outpoint.slice(0, 64)]);
    await regtest.mine(1);
    assert.deepEqual(await regtest.rpc('getrawmempool'), []);
  });
});
