import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { addressOf, startRegtest, withoutBitcoind, type Regtest } from '../../../../test/regtest/bitcoind.ts';
import { chainHands } from '../../../../test/regtest/chain-hands.ts';
import { txidOf } from '../protocol/draft.ts';
import { SparkleError } from '../protocol/errors.ts';
import { bitcoindChain, type BitcoindChainOptions } from './bitcoind.ts';
import { bitcoindWallet } from './bitcoind-wallet.ts';
import type { Chain } from './chain.ts';
import { chainSuite } from './chain.suite.ts';
import { refusedWith, type ChainBench } from './suite-hands.ts';
import { ownScript, spendOwn } from './suite-keys.ts';
import { walletSuite } from './wallet.suite.ts';

const settings = { timeoutMilliseconds: 10_000, pollMilliseconds: 200, fallbackSatVb: 3 };

const handsOf = (regtest: Regtest, chain: Chain): ChainBench => ({
  ...chainHands(regtest),
  ...{ chain, stop: regtest.stop },
});

async function bench(options: (regtest: Regtest) => BitcoindChainOptions): Promise<ChainBench> {
  const regtest = await startRegtest();
  return handsOf(regtest, bitcoindChain(options(regtest)));
}

chainSuite(
  'bitcoind, told by ZeroMQ',
  () =>
    bench(({ node: { rpcUrl: url, rpcUser: user, rpcPassword: password, zmq } }) => ({
      // So seldom that whatever the suite sees in time was told and not found by polling.
      ...{ ...settings, url, zmq, pollMilliseconds: 60_000 },
      credentials: { user, password },
    })),
  { skip: withoutBitcoind },
);

chainSuite(
  'bitcoind, polled, with the cookie that each start writes anew',
  () =>
    bench(({ node: { rpcUrl: url, cookieFile } }) => ({
      ...{ ...settings, url, zmq: {}, pollMilliseconds: 30, credentials: { cookieFile } },
    })),
  { skip: withoutBitcoind },
);

walletSuite(
  'bitcoind',
  async () => {
    const regtest = await startRegtest();
    const { rpcUrl: url, cookieFile } = regtest.node;
    const options = { ...settings, url, zmq: {}, credentials: { cookieFile } };
    return {
      ...handsOf(regtest, bitcoindChain(options)),
      wallet: bitcoindWallet({ ...options, wallet: await regtest.wallet('anna') }),
    };
  },
  { skip: withoutBitcoind },
);

const refusal = (reason: RegExp) => (error: unknown) => {
  refusedWith('chain_unavailable')(error);
  assert.match(String((error as SparkleError).detail['reason'] ?? (error as Error).message), reason);
  return true;
};

describe('bitcoind', { skip: withoutBitcoind }, () => {
  let regtest: Regtest;
  before(async () => {
    // Without an index of transactions, as many people run their node. The later argument wins.
    regtest = await startRegtest({ args: ['-txindex=0'] });
  });
  after(() => regtest.stop());

  const open = (change: Partial<BitcoindChainOptions>) => {
    const { rpcUrl: url, cookieFile } = regtest.node;
    return bitcoindChain({ ...settings, url, zmq: {}, credentials: { cookieFile }, ...change });
  };

  test('wrong credentials are told as such, and never repeated', async () => {
    const chain = open({ credentials: { user: 'sparkle', password: 'wrong-password' } });
    await assert.rejects(chain.tip(), (error: SparkleError) => {
      assert.ok(!JSON.stringify([error.message, error.detail]).includes('wrong-password'));
      return refusal(/credentials/)(error);
    });
  });

  test('a cookie file that is not there means that no node runs', async () => {
    const chain = open({ credentials: { cookieFile: '/nowhere/.cookie' } });
    await assert.rejects(chain.tip(), refusal(/cookie/));
  });

  test('a URL with a password in it is refused without repeating it', () => {
    assert.throws(
      () => open({ url: 'http://u:hunter2@127.0.0.1:1' }),
      (error: SparkleError) => refusedWith('bad_config')(error) && !error.message.includes('hunter2'),
    );
    assert.throws(() => open({ url: 'ftp://127.0.0.1' }), refusedWith('bad_config'));
  });

  test('a ZeroMQ endpoint that is none is refused at the start', () => {
    assert.throws(() => open({ zmq: { rawtx: '127.0.0.1' } }), refusedWith('bad_config'));
  });

  test('the fallback feerate stands in while nothing can be estimated, and the relay minimum is its floor', async () => {
    assert.equal(await open({ fallbackSatVb: 7 }).feerate(3), 7);
    assert.equal(await open({ fallbackSatVb: 0.001 }).feerate(3), 0.1);
  });

  test('without -txindex a confirmed transaction is found through an output that is unspent', async () => {
    const outpoint = await regtest.pay({ to: await regtest.address(), sats: 10_000n });
    const [hash] = await regtest.mine(1);
    await regtest.mine(3);
    const found = await open({}).transaction(outpoint.slice(0, 64));
    assert.equal(found?.block?.hash, hash);
    assert.equal(found?.block?.height, (await regtest.height()) - 3);
  });

  test('without -txindex it says that it cannot know, and never that there is no such transaction', async () => {
    await assert.rejects(open({}).transaction('f'.repeat(64)), refusal(/-txindex/));
  });

  test('without -txindex the spender of an output is found in its block', async () => {
    const chain = open({});
    const outpoint = await regtest.pay({ to: addressOf(ownScript), sats: 50_000n });
    await regtest.mine(1);
    const height = await regtest.height();
    const inputs = [{ outpoint, sats: 50_000n }];
    const { raw, txid } = spendOwn({ inputs, outputs: [{ script: ownScript, sats: 49_000n }] });
    await chain.broadcast([raw]);
    const [hash] = await regtest.mine(1);
    const ended = AbortSignal.abort(new SparkleError('busy', 'it takes too long'));
    await assert.rejects(chain.spender(outpoint, height, ended), refusedWith('busy'));
    assert.deepEqual(await chain.spender(outpoint, height), { txid, raw, block: { height: height + 1, hash } });
    await chain.broadcast([raw]);
  });

  test('a wallet that is not loaded is named', async () => {
    const { rpcUrl: url, cookieFile } = regtest.node;
    const wallet = bitcoindWallet({ ...settings, url, credentials: { cookieFile }, wallet: 'nobody' });
    await assert.rejects(wallet.address(), refusedWith('chain_unavailable'));
    const { raw } = spendOwn({
      inputs: [{ outpoint: `${'f'.repeat(64)}:0`, sats: 1_000n }],
      outputs: [{ script: ownScript, sats: 900n }],
    });
    await assert.rejects(
      wallet.sign(raw, [{ valueSats: 1_000n, script: ownScript }]),
      refusedWith('chain_unavailable'),
    );
  });

  test('a block is given as its transactions in order', async () => {
    const outpoint = await regtest.pay({ to: await regtest.address(), sats: 10_000n });
    const [hash = ''] = await regtest.mine(1);
    const transactions = await open({}).block(hash);
    const { tx } = await regtest.rpc<{ tx: string[] }>('getblock', [hash, 1]);
    assert.deepEqual(transactions?.map(txidOf), tx);
    assert.equal(tx[1], outpoint.slice(0, 64));
    assert.equal(await open({}).block('f'.repeat(64)), undefined);
  });
});
