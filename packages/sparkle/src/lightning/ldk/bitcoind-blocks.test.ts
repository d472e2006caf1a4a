import assert from 'node:assert/strict';
import { test } from 'node:test';
import { networks } from '../../protocol/network.ts';
import { refusal } from '../bench.suite.ts';
import { bitcoindBlocks, type AskBitcoind } from './bitcoind-blocks.ts';

const HASH = 'ab'.repeat(32);
const PREVIOUS = 'cd'.repeat(32);
const RAW_HEADER = '01'.repeat(80);

type Answer = Awaited<ReturnType<AskBitcoind>>;

/** A source over a node that gives these answers by method, and what it was asked. */
function blocksWith(answers: Record<string, (params: readonly unknown[]) => Answer>) {
  const asked: [string, readonly unknown[]][] = [];
  const blocks = bitcoindBlocks(async (method, params) => {
    asked.push([method, params]);
    return answers[method]?.(params) ?? { refusal: { code: -32601, reason: 'Method not found' } };
  });
  return { blocks, asked };
}

const refuses = (code: number, reason: string) => (): Answer => ({ refusal: { code, reason } });

test('the network is that of block 0', async () => {
  const { blocks } = blocksWith({ getblockhash: () => ({ result: networks.signet.genesisHash }) });
  assert.equal(await blocks.network(), 'signet');
});

test('a header tells where its block is and whether the best chain still holds it', async () => {
  const header = { hash: HASH, height: 7, time: 1_700_000_000, previousblockhash: PREVIOUS };
  for (const confirmations of [3, -1]) {
    const { blocks } = blocksWith({
      getblockheader: ([, isVerbose]) => ({ result: isVerbose === true ? { ...header, confirmations } : RAW_HEADER }),
    });
    assert.deepEqual(await blocks.header(HASH), {
      hash: HASH,
      previous: PREVIOUS,
      height: 7,
      timeSeconds: 1_700_000_000,
      raw: RAW_HEADER,
      inBestChain: confirmations > 0,
    });
  }
});

test('a block the node has never seen and a height above its tip are nothing, not errors', async () => {
  const { blocks } = blocksWith({
    getblockheader: refuses(-5, 'Block not found'),
    getblockhash: refuses(-8, 'Block height out of range'),
  });
  assert.equal(await blocks.header(HASH), undefined);
  assert.equal(await blocks.blockHash(9), undefined);
});

test('other refusals and answers in another shape throw chain_unavailable', async () => {
  const { blocks } = blocksWith({
    getblockheader: refuses(-1, 'no'),
    getblockhash: refuses(-1, 'no'),
    getbestblockhash: () => ({ result: 'AB' }),
    getblock: () => ({ result: { tx: [{ hex: 'zz' }] } }),
  });
  await refusal(blocks.header(HASH), 'chain_unavailable');
  await refusal(blocks.blockHash(1), 'chain_unavailable');
  await refusal(blocks.bestHash(), 'chain_unavailable');
  await refusal(blocks.rawBlock(HASH), 'chain_unavailable');
  await refusal(blocks.blockTransactions(HASH), 'chain_unavailable');
  await refusal(blocks.feerate(2), 'chain_unavailable');
});

test('a feerate is in sat/vB, and absent when the node has no estimate', async () => {
  const known = blocksWith({ estimatesmartfee: () => ({ result: { feerate: 0.00012, blocks: 2 } }) });
  assert.equal(Math.round((await known.blocks.feerate(2)) ?? 0), 12);
  const unknown = blocksWith({ estimatesmartfee: () => ({ result: { errors: ['Insufficient data'], blocks: 0 } }) });
  assert.equal(await unknown.blocks.feerate(2), undefined);
});

test('a broadcast is accepted, final or refused, by the reason the node gives', async () => {
  const outcome = async (answer: () => Answer) =>
    (await blocksWith({ sendrawtransaction: answer }).blocks.broadcast(['00'])).state;
  assert.equal(await outcome(() => ({ result: HASH })), 'accepted');
  assert.equal(await outcome(refuses(-27, 'Transaction outputs already in utxo set')), 'final');
  assert.equal(await outcome(refuses(-25, 'bad-txns-inputs-missingorspent')), 'final');
  assert.equal(await outcome(refuses(-26, 'min relay fee not met')), 'refused');
});

test('a package goes as one, and one by one when the node refuses it as a whole', async () => {
  const whole = blocksWith({ submitpackage: () => ({ result: { package_msg: 'success' } }) });
  assert.deepEqual(await whole.blocks.broadcast(['00', '01']), { state: 'accepted' });
  const parts = blocksWith({
    submitpackage: () => ({ result: { package_msg: 'transaction failed' } }),
    sendrawtransaction: ([raw]) => (raw === '00' ? refuses(-27, 'known')() : { result: HASH }),
  });
  assert.deepEqual(await parts.blocks.broadcast(['00', '01']), { state: 'accepted' });
  assert.deepEqual(
    parts.asked.map(([method]) => method),
    ['submitpackage', 'sendrawtransaction', 'sendrawtransaction'],
  );
});
