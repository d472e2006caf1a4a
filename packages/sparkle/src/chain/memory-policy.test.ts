import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { hex } from '@scure/base';
import { p2wpkh } from '@scure/btc-signer/payment.js';
import { Transaction } from '@scure/btc-signer/transaction.js';
import { decodeTransaction, encodeDraft } from '../protocol/draft.ts';
import type { SparkleError } from '../protocol/errors.ts';
import { subsidySats } from '../protocol/satflow.ts';
import { txidOf } from '../protocol/transaction.ts';
import type { ChainEvent } from './chain.ts';
import { memoryChain, type MemoryChain } from './memory.ts';
import { refusedWith } from './suite-hands.ts';
import { ownScript, spendOwn } from './suite-keys.ts';

const SATS = 100_000n;

const open = (seed = 3): MemoryChain => memoryChain({ network: 'regtest', seed, nowSeconds: () => 1_750_000_000 });

function confirmed(chain: MemoryChain, sats = SATS): string {
  const outpoint = chain.control.pay({ script: ownScript, sats });
  chain.control.mine(1);
  return outpoint;
}

/** Spends whole outputs of `SATS` into `pieces` equal ones, less the fee. */
function spend(
  outpoints: string[],
  feeSats: bigint,
  options: { sats?: bigint; version?: number; pieces?: number } = {},
) {
  const { sats = SATS, version = 2, pieces = 1 } = options;
  const each = (BigInt(outpoints.length) * sats - feeSats) / BigInt(pieces);
  const outputs = Array.from({ length: pieces }, () => ({ script: ownScript, sats: each }));
  return spendOwn({ inputs: outpoints.map((outpoint) => ({ outpoint, sats })), outputs, version });
}

const refusedFor = (reason: RegExp) => (error: unknown) => {
  refusedWith('broadcast_refused')(error);
  assert.match(String((error as SparkleError).detail['reason']), reason);
  return true;
};

describe('replacement by fee', () => {
  test('a replacement must pay what leaves, and its own relay on top (BIP 125 rules 3 and 4)', async () => {
    const chain = open();
    const coin = confirmed(chain);
    const first = spend([coin], 1_000n);
    await chain.broadcast([first.raw]);
    await assert.rejects(chain.broadcast([spend([coin], 1_000n, { pieces: 2 }).raw]), refusedFor(/insufficient fee/));
    await assert.rejects(chain.broadcast([spend([coin], 1_050n).raw]), refusedFor(/insufficient fee/));
    await chain.broadcast([spend([coin], 1_111n).raw]);
  });

  test('it pays for the descendants too that leave with it', async () => {
    const chain = open();
    const coin = confirmed(chain);
    const parent = spend([coin], 1_000n);
    const child = spend([`${parent.txid}:0`], 9_000n, { sats: SATS - 1_000n });
    await chain.broadcast([parent.raw]);
    await chain.broadcast([child.raw]);
    await assert.rejects(chain.broadcast([spend([coin], 9_000n).raw]), refusedFor(/insufficient fee/));
    const events: ChainEvent[] = [];
    chain.subscribe((event) => events.push(event));
    await chain.broadcast([spend([coin], 10_200n).raw]);
    const removed = events.filter((event) => event.type === 'removed').map((event) => event.txid);
    assert.deepEqual(new Set(removed), new Set([parent.txid, child.txid]));
    assert.equal(chain.control.mempool().length, 1);
  });

  test('more fee at a lower feerate is refused: the pin that a fat child makes', async () => {
    const chain = open();
    const coin = confirmed(chain);
    await chain.broadcast([spend([coin], 5_000n).raw]);
    await assert.rejects(
      chain.broadcast([spend([coin], 30_000n, { pieces: 100 }).raw]),
      refusedFor(/insufficient fee/),
    );
  });

  test('it must not bring new unconfirmed inputs, nor spend what it replaces', async () => {
    const chain = open();
    const coin = confirmed(chain);
    const first = spend([coin], 1_000n);
    await chain.broadcast([first.raw]);
    const waiting = chain.control.pay({ script: ownScript, sats: SATS });
    await assert.rejects(chain.broadcast([spend([coin, waiting], 50_000n).raw]), refusedFor(/adds-unconfirmed/));
    const both = spendOwn({
      inputs: [
        { outpoint: coin, sats: SATS },
        { outpoint: `${first.txid}:0`, sats: SATS - 1_000n },
      ],
      outputs: [{ script: ownScript, sats: SATS }],
    });
    await assert.rejects(chain.broadcast([both.raw]), refusedFor(/conflicting/));
  });

  test('replacement cycling: two replacements and nothing of ours is left (R7)', async () => {
    const chain = open();
    const [lock, extra] = [confirmed(chain), confirmed(chain)];
    const refund = spend([lock], 500n);
    await chain.broadcast([refund.raw]);
    await chain.broadcast([spend([lock, extra], 2_000n).raw]);
    await chain.broadcast([spend([extra], 4_000n).raw]);
    assert.equal(await chain.spender(lock, 0), undefined);
    await chain.broadcast([refund.raw]);
    assert.equal((await chain.spender(lock, 0))?.txid, refund.txid);
  });
});

describe('packages and chains', () => {
  test('TRUC: a second child replaces the first, and a child must be small (BIP 431)', async () => {
    const chain = open();
    const parent = spend([confirmed(chain)], 1_000n, { version: 3, pieces: 2 });
    await chain.broadcast([parent.raw]);
    const half = { sats: (SATS - 1_000n) / 2n, version: 3 };
    const first = spend([`${parent.txid}:0`], 500n, half);
    await chain.broadcast([first.raw]);
    const second = spend([`${parent.txid}:1`], 2_000n, half);
    await chain.broadcast([second.raw]);
    assert.equal(await chain.transaction(first.txid), undefined);
    const fat = spend([`${parent.txid}:0`], 40_000n, { ...half, pieces: 25 });
    await assert.rejects(chain.broadcast([fat.raw]), refusedFor(/TRUC/));
    await assert.rejects(
      chain.broadcast([spend([`${parent.txid}:0`], 9_000n, { ...half, version: 2 }).raw]),
      refusedFor(/TRUC/),
    );
  });

  test('a package may replace when the child pays for both', async () => {
    const chain = open();
    const coin = confirmed(chain);
    await chain.broadcast([spend([coin], 3_000n, { version: 3 }).raw]);
    const parent = spend([coin], 0n, { version: 3 });
    const child = spend([`${parent.txid}:0`], 10_000n, { version: 3 });
    await chain.broadcast([parent.raw, child.raw]);
    assert.deepEqual(chain.control.mempool(), [parent.txid, child.txid]);
  });

  test('a 26th transaction in a row is refused', async () => {
    const chain = open();
    let [outpoint, sats] = [confirmed(chain), SATS];
    for (let link = 0; link < 25; link += 1) {
      const { raw, txid } = spend([outpoint], 200n, { sats });
      await chain.broadcast([raw]);
      [outpoint, sats] = [`${txid}:0`, sats - 200n];
    }
    await assert.rejects(chain.broadcast([spend([outpoint], 200n, { sats }).raw]), refusedFor(/too-long/));
  });
});

describe('what never enters', () => {
  test('dust, money from nothing, a fee below relay, an immature coinbase', async () => {
    const chain = open();
    const coin = confirmed(chain);
    await assert.rejects(chain.broadcast([spend([coin], 70_000n, { pieces: 100 }).raw]), refusedFor(/dust/));
    await assert.rejects(chain.broadcast([spend([coin], 50n).raw]), refusedFor(/min relay fee/));
    const input = { outpoint: coin, valueSats: SATS, script: ownScript, sequence: 0xffff_fffd };
    const inflated = { lockHeight: 0, inputs: [{ ...input, witness: [new Uint8Array(64)] }] };
    const raw = encodeDraft({ ...inflated, outputs: [{ valueSats: SATS + 1n, script: ownScript }] });
    await assert.rejects(chain.broadcast([raw]), refusedFor(/in-belowout/));
  });

  test('the sats of a coinbase for a hundred blocks', async () => {
    const chain = open();
    chain.control.mine(1, { payTo: ownScript });
    const [coinbase = ''] = (await chain.block((await chain.tip()).hash)) ?? [];
    const sats = decodeTransaction(coinbase).outputs[0]?.valueSats ?? 0n;
    const { raw } = spend([`${txidOf(coinbase)}:0`], 1_000n, { sats });
    chain.control.mine(98);
    await assert.rejects(chain.broadcast([raw]), refusedFor(/premature/));
    chain.control.mine(1);
    await chain.broadcast([raw]);
  });

  test('a key path spend with a changed signature', async () => {
    const chain = open();
    const coin = confirmed(chain);
    const { raw } = spend([coin], 1_000n);
    const last = raw.length - 10;
    const changed = `${raw.slice(0, last)}${raw[last] === '0' ? '1' : '0'}${raw.slice(last + 1)}`;
    await assert.rejects(chain.broadcast([changed]), refusedFor(/Schnorr/));
  });

  test('a P2WPKH spend by another key', async () => {
    const chain = open();
    const [secret, other] = [new Uint8Array(32).fill(3), new Uint8Array(32).fill(4)];
    const { script } = p2wpkh(secp256k1.getPublicKey(secret, true));
    const outpoint = chain.control.pay({ script: hex.encode(script), sats: SATS });
    const signedBy = (by: Uint8Array): string => {
      const tx = new Transaction();
      tx.addInput({ txid: outpoint.slice(0, 64), index: 0, witnessUtxo: { script, amount: SATS } });
      tx.addOutput({ script: hex.decode(ownScript), amount: SATS - 1_000n });
      tx.updateInput(0, { partialSig: [[secp256k1.getPublicKey(secret, true), signatureOf(tx, by)]] }, true);
      tx.finalize();
      return hex.encode(tx.extract());
    };
    const signatureOf = (tx: Transaction, by: Uint8Array): Uint8Array => {
      const hash = script.slice(2);
      const message = tx.preimageWitnessV0(0, Uint8Array.from([0x76, 0xa9, 0x14, ...hash, 0x88, 0xac]), 1, SATS);
      const signature = secp256k1.sign(message, by, { prehash: false, format: 'der' });
      return Uint8Array.from([...signature, 1]);
    };
    await assert.rejects(chain.broadcast([signedBy(other)]), refusedWith('broadcast_refused'));
    await chain.broadcast([signedBy(secret)]);
  });

  test('an anchor may be spent by anybody, and without a signature', async () => {
    const chain = open();
    const anchor = chain.control.pay({ script: '51024e73', sats: 1_000n });
    const input = { outpoint: anchor, valueSats: 1_000n, script: '51024e73', sequence: 0xffff_fffd, witness: [] };
    const outputs = [{ valueSats: 800n, script: ownScript }];
    await chain.broadcast([encodeDraft({ lockHeight: 0, inputs: [input], outputs })]);
  });
});

describe('the hands of the director', () => {
  test('a miner who asks for a floor leaves what pays less, unless a child pays for it', async () => {
    const chain = open();
    const [cheap, bumped] = [confirmed(chain), confirmed(chain)];
    const left = spend([cheap], 200n);
    const parent = spend([bumped], 200n);
    const child = spend([`${parent.txid}:0`], 5_000n, { sats: SATS - 200n });
    for (const { raw } of [left, parent, child]) await chain.broadcast([raw]);
    chain.control.mine(1, { feerateFloor: 10 });
    assert.deepEqual(chain.control.mempool(), [left.txid]);
    chain.control.mine(1);
    assert.deepEqual(chain.control.mempool(), []);
  });

  test('an evicted transaction takes its descendants along, and may be broadcast again', async () => {
    const chain = open();
    const parent = spend([confirmed(chain)], 1_000n);
    const child = spend([`${parent.txid}:0`], 1_000n, { sats: SATS - 1_000n });
    await chain.broadcast([parent.raw]);
    await chain.broadcast([child.raw]);
    chain.control.evict(parent.txid);
    assert.equal(await chain.transaction(child.txid), undefined);
    await chain.broadcast([parent.raw, child.raw]);
    assert.equal(chain.control.mempool().length, 2);
  });

  test('a reorg may bring a double spend instead, with which the first can never confirm again', async () => {
    const chain = open();
    const coin = confirmed(chain);
    const [paid, stolen] = [spend([coin], 1_000n), spend([coin], 700n)];
    await chain.broadcast([paid.raw]);
    chain.control.mine(2);
    chain.control.reorg({ depth: 2, mempool: 'mined', instead: [stolen.raw] });
    assert.equal(await chain.transaction(paid.txid), undefined);
    assert.ok((await chain.spender(coin, 0))?.txid === stolen.txid);
    await assert.rejects(chain.broadcast([paid.raw]), refusedFor(/missing/));
  });

  test('a reorg may drop transactions, which are then nowhere until broadcast again', async () => {
    const chain = open();
    const coin = confirmed(chain);
    const { raw, txid } = spend([coin], 1_000n);
    await chain.broadcast([raw]);
    chain.control.mine(1);
    chain.control.reorg({ depth: 1, mempool: 'dropped' });
    assert.equal(await chain.transaction(txid), undefined);
    assert.equal(await chain.spender(coin, 0), undefined);
    await chain.broadcast([raw]);
  });

  test('a reorg deeper than the chain is refused', () => {
    assert.throws(() => open().control.reorg({ depth: 200, mempool: 'mined' }), refusedWith('bad_height'));
    assert.throws(() => open().control.reorg({ depth: 0, mempool: 'mined' }), refusedWith('bad_height'));
  });

  test('a miner may take what no mempool does, but nothing that consensus forbids', async () => {
    const chain = open();
    const coin = confirmed(chain);
    const free = spend([coin], 0n);
    chain.control.mineExactly([free.raw]);
    assert.ok((await chain.transaction(free.txid))?.block !== undefined);
    const next = spend([`${free.txid}:0`], 1_000n);
    const rival = spend([`${free.txid}:0`], 2_000n);
    const refused = refusedFor(/missing/);
    assert.throws(() => chain.control.mineExactly([next.raw, rival.raw]), refused);
    await chain.broadcast([next.raw]);
    const child = spend([`${next.txid}:0`], 1_000n, { sats: SATS - 1_000n });
    assert.throws(() => chain.control.mineExactly([child.raw]), refused);
    chain.control.mineExactly([rival.raw]);
    assert.deepEqual(chain.control.mempool(), []);
  });

  test('fees go to the coinbase after the subsidy', async () => {
    const chain = open();
    await chain.broadcast([spend([confirmed(chain)], 1_234n).raw]);
    chain.control.mine(1);
    const { hash, height } = await chain.tip();
    const [coinbase = ''] = (await chain.block(hash)) ?? [];
    const subsidy = subsidySats({ height, network: 'regtest' });
    assert.equal(decodeTransaction(coinbase).outputs[0]?.valueSats, subsidy + 1_234n);
  });

  test('the same seed and the same calls give the same chain, another seed another', async () => {
    const tipOf = async (seed: number): Promise<string> => {
      const chain = open(seed);
      await chain.broadcast([spend([confirmed(chain)], 1_000n).raw]);
      chain.control.mine(2);
      chain.control.reorg({ depth: 1, mempool: 'mined' });
      return (await chain.tip()).hash;
    };
    assert.equal(await tipOf(8), await tipOf(8));
    assert.notEqual(await tipOf(8), await tipOf(9));
  });

  test('a peer sees the same world, and is down alone', async () => {
    const chain = open();
    const peer = chain.control.peer();
    peer.control.goDown();
    chain.control.mine(1);
    await assert.rejects(peer.tip(), refusedWith('chain_unavailable'));
    peer.control.comeBack();
    assert.deepEqual(await peer.tip(), await chain.tip());
  });

  test('the feerate is the one of the nearest target below, never less than relays', async () => {
    const chain = open();
    chain.control.setFeerates({ 2: 80.5, 10: 20, 100: 0.1 });
    const asked = await Promise.all([1, 2, 9, 10, 99, 100].map((target) => chain.feerate(target)));
    assert.deepEqual(asked, [80.5, 80.5, 80.5, 20, 20, 1]);
  });

  test('a listener that acts is heard after all were told', async () => {
    const chain = open();
    const heard: string[] = [];
    chain.subscribe((event) => {
      if (event.type === 'tip' && heard.length < 4) chain.control.mine(1);
      heard.push(event.type === 'tip' ? `a${event.tip.height}` : event.type);
    });
    chain.subscribe((event) => heard.push(event.type === 'tip' ? `b${event.tip.height}` : event.type));
    chain.control.mine(1);
    assert.deepEqual(heard.slice(0, 4), ['a201', 'b201', 'a202', 'b202']);
    await chain.close();
  });
});
