import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Regtest, startRegtest, withoutBitcoind } from '../../../../test/regtest/bitcoind.ts';
import { until } from '../../../../test/regtest/kept-process.ts';
import { OwnBitcoind } from '../../../../test/regtest/own-bitcoind.ts';
import { bitcoindChain } from './bitcoind.ts';
import type { Chain } from './chain.ts';
import { refusedWith } from './suite-hands.ts';

describe('a bitcoind that is killed', { skip: withoutBitcoind }, () => {
  let world: Regtest;
  let own: OwnBitcoind;
  let chain: Chain;
  before(async () => {
    world = await startRegtest();
    own = await OwnBitcoind.open({ regtest: world, wallet: 'own' });
    const { rpcUrl: url, rpcUser: user, rpcPassword: password } = own.node;
    const credentials = { user, password };
    chain = bitcoindChain({
      ...{ url, credentials, zmq: {}, timeoutMilliseconds: 10_000, pollMilliseconds: 200, fallbackSatVb: 3 },
    });
    await own.writeDown();
  });
  after(async () => {
    await chain?.close();
    await own?.node.stop();
    await world?.stop();
  });

  test('says nothing of what it has forgotten until it has its blocks again', async () => {
    // Not the node's own: those its wallet puts back into its mempool.
    const coin = await world.pay({ to: await world.address(), sats: 50_000n });
    await world.mine(3);
    await own.synced();
    const { height } = await chain.tip();
    assert.equal((await chain.unspent(coin))?.confirmations, 3);
    await world.rpc('setnetworkactive', [false]);
    await own.node.kill();
    await assert.rejects(chain.tip(), refusedWith('chain_unavailable'));
    await own.node.up();
    assert.ok((await own.node.rpc<number>('getblockcount')) < height, 'it has lost blocks');
    await assert.rejects(chain.tip(), refusedWith('chain_unavailable'));
    await assert.rejects(chain.unspent(coin), refusedWith('chain_unavailable'));
    await assert.rejects(chain.spender(coin, 1), refusedWith('chain_unavailable'));
    await assert.rejects(chain.transaction(coin.slice(0, 64)), refusedWith('chain_unavailable'));
    await assert.rejects(chain.blockHash(height), refusedWith('chain_unavailable'));
    await world.rpc('setnetworkactive', [true]);
    await own.synced();
    await until('its index has them, too', async () => {
      return (await chain.transaction(coin.slice(0, 64)).catch(() => undefined))?.block !== undefined;
    });
    assert.equal((await chain.tip()).height, height);
    assert.equal((await chain.unspent(coin))?.confirmations, 3);
  });
});
