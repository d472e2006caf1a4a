import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { hex } from '@scure/base';
import { commitOutput, commitSats, revealTransaction, type Envelope } from '../../../../test/regtest/inscribe.ts';
import type { BlockSource } from '../chain/chain.ts';
import { SparkleError } from '../protocol/errors.ts';
import { subsidySats } from '../protocol/satflow.ts';
import { txidOf } from '../protocol/transaction.ts';
import { refusedWith, type ChainBench } from '../chain/suite-hands.ts';
import { addressOf, ownScript, spendOwn } from '../chain/suite-keys.ts';
import type { Ordinals } from './ordinals.ts';

/** An index under test over a chain on regtest, and the hands that move the chain. */
export type OrdinalsBench = Omit<ChainBench, 'outage'> & {
  ordinals: Ordinals;
  blocks: BlockSource;
  /** One block with exactly these raw transactions, whatever policy says of them. */
  mineExactly(raws: string[]): Promise<void>;
  /** Whether outputs of unconfirmed transactions are answered too. */
  sees: 'mempool' | 'blocks';
};

const text = (body: string): Envelope => ({ body: new TextEncoder().encode(body), contentType: 'text/plain' });
const SATS = 10_000n;

type Coin = { outpoint: string; sats: bigint };

/** The moves that the tests make of a bench. */
export class Hands {
  readonly bench: OrdinalsBench;

  constructor(bench: OrdinalsBench) {
    this.bench = bench;
  }

  /** A reveal in a block of its own, with outputs of these values that the suite can spend. */
  async reveal(envelopes: Envelope[], sats: bigint[]): Promise<{ txid: string; coins: Coin[] }> {
    const commit = commitOutput(envelopes);
    const valueSats = commitSats(
      sats.reduce((sum, value) => sum + value, 0n),
      envelopes,
    );
    const outpoint = await this.bench.pay({ script: hex.encode(commit.payment.script), sats: valueSats });
    await this.bench.mine(1);
    const outputs = sats.map((value) => ({ address: addressOf(ownScript), valueSats: value }));
    const { raw, txid } = revealTransaction({ commit, outpoint, valueSats, outputs });
    await this.bench.mineExactly([raw]);
    return { txid, coins: sats.map((value, vout) => ({ outpoint: `${txid}:${vout}`, sats: value })) };
  }

  /** A confirmed coin that no inscription lies in. */
  async cardinal(sats: bigint): Promise<Coin> {
    const outpoint = await this.bench.pay({ script: ownScript, sats });
    await this.bench.mine(1);
    return { outpoint, sats };
  }

  build(inputs: Coin[], outputs: { script: string; sats: bigint }[]): { raw: string; txid: string } {
    return spendOwn({ inputs, outputs });
  }

  /** Spends coins into outputs of these values; what is missing is the fee. Confirmed at once. */
  async move(inputs: Coin[], sats: bigint[]): Promise<{ raw: string; txid: string; coins: Coin[] }> {
    const { raw, txid } = this.build(
      inputs,
      sats.map((value) => ({ script: ownScript, sats: value })),
    );
    await this.bench.mineExactly([raw]);
    return { raw, txid, coins: sats.map((value, vout) => ({ outpoint: `${txid}:${vout}`, sats: value })) };
  }

  async liesAt(inscriptionId: string, satpoint: string): Promise<void> {
    const { height, hash } = await this.bench.chain.tip();
    assert.deepEqual(await this.bench.ordinals.locate(inscriptionId), { satpoint, atBlock: { height, hash } });
  }

  async holds(outpoint: string, ids: string[]): Promise<void> {
    assert.deepEqual(await this.bench.ordinals.inscriptionsIn(outpoint), ids);
  }
}

const first = <T>(all: readonly T[]): T => {
  const [one] = all;
  assert.ok(one !== undefined);
  return one;
};

/** What every index must answer. `open` gives a regtest chain with some blocks and an index over it. */
export function ordinalsSuite(
  name: string,
  open: () => Promise<OrdinalsBench>,
  options: { skip?: string | false } = {},
): void {
  describe(`ordinals: ${name}`, { skip: options.skip ?? false }, () => {
    let opened: Hands | undefined;
    const hands = (): Hands => {
      assert.ok(opened !== undefined);
      return opened;
    };
    before(async () => {
      opened = new Hands(await open());
    });
    after(async () => {
      await opened?.bench.chain.close();
      await opened?.bench.stop();
    });
    revealTests(hands);
    moveTests(hands);
    lossTests(hands);
    changeTests(hands);
  });
}

function revealTests(hands: () => Hands): void {
  test('a new inscription lies on the first sat of its reveal', async () => {
    const { txid } = await hands().reveal([text('hello')], [SATS]);
    await hands().liesAt(`${txid}i0`, `${txid}:0:0`);
    await hands().holds(`${txid}:0`, [`${txid}i0`]);
  });

  test('a pointer puts it on another sat, also in another output', async () => {
    const { txid } = await hands().reveal([{ ...text('far'), pointer: SATS + 600n }], [SATS, SATS]);
    await hands().liesAt(`${txid}i0`, `${txid}:1:600`);
    await hands().holds(`${txid}:0`, []);
    await hands().holds(`${txid}:1`, [`${txid}i0`]);
  });

  test('several of one output are told in the order of their sats, on one sat the oldest first', async () => {
    const envelopes = [{ ...text('third'), pointer: 700n }, text('first'), { ...text('second'), pointer: 0n }];
    const { txid } = await hands().reveal(envelopes, [SATS]);
    await hands().holds(`${txid}:0`, [`${txid}i1`, `${txid}i2`, `${txid}i0`]);
    await hands().liesAt(`${txid}i2`, `${txid}:0:0`);
  });

  test('all that is known of an output tells the same inscriptions with their offsets, and runes at most as unknown', async () => {
    const { txid } = await hands().reveal([{ ...text('behind'), pointer: 700n }, text('front')], [SATS]);
    const assets = await hands().bench.ordinals.assets(`${txid}:0`);
    const offsets = assets.inscriptions.map(({ id, offsetSats }) => ({ id, offsetSats }));
    assert.deepEqual(offsets, [
      { id: `${txid}i1`, offsetSats: 0n },
      { id: `${txid}i0`, offsetSats: 700n },
    ]);
    assert.ok(assets.runes !== 'some');
    assert.deepEqual(assets.marks, []);
    await assert.rejects(hands().bench.ordinals.assets(`${'e'.repeat(64)}:0`), refusedWith('not_indexed'));
  });

  test('a coin without inscription holds none', async () => {
    await hands().holds((await hands().cardinal(SATS)).outpoint, []);
  });

  test('an inscription that never was is unknown, and so is one more than its transaction reveals', async () => {
    const { ordinals } = hands().bench;
    await assert.rejects(ordinals.locate(`${'e'.repeat(64)}i0`), refusedWith('unknown_inscription'));
    const { txid } = await hands().reveal([text('only')], [SATS]);
    await assert.rejects(ordinals.locate(`${txid}i1`), refusedWith('unknown_inscription'));
  });

  test('an output that is nowhere is not called empty', async () => {
    await assert.rejects(hands().bench.ordinals.inscriptionsIn(`${'e'.repeat(64)}:0`), refusedWith('not_indexed'));
  });

  test('ids and outpoints in another form are refused', async () => {
    const { ordinals } = hands().bench;
    await assert.rejects(ordinals.locate('e'.repeat(64)), refusedWith('bad_inscription_id'));
    await assert.rejects(ordinals.inscriptionsIn(`${'e'.repeat(64)}i0`), refusedWith('bad_outpoint'));
  });
}

function moveTests(hands: () => Hands): void {
  test('behind another coin it moves by that coin, and lies where the outputs cut', async () => {
    const { txid, coins } = await hands().reveal([text('moved')], [SATS]);
    const other = await hands().cardinal(5_000n);
    const moved = await hands().move([other, first(coins)], [3_000n, 11_000n]);
    await hands().liesAt(`${txid}i0`, `${moved.txid}:1:2000`);
    await hands().holds(`${moved.txid}:1`, [`${txid}i0`]);
    await hands().holds(`${moved.txid}:0`, []);
  });

  test('two from different outputs may come to lie in one, and part again', async () => {
    const [a, b] = [await hands().reveal([text('a')], [SATS]), await hands().reveal([text('b')], [SATS])];
    const merged = await hands().move([first(a.coins), first(b.coins)], [19_000n]);
    const outpoint = `${merged.txid}:0`;
    await hands().holds(outpoint, [`${a.txid}i0`, `${b.txid}i0`]);
    await hands().liesAt(`${b.txid}i0`, `${outpoint}:10000`);
    const parted = await hands().move([{ outpoint, sats: 19_000n }], [9_000n, 9_000n]);
    await hands().liesAt(`${a.txid}i0`, `${parted.txid}:0:0`);
    await hands().liesAt(`${b.txid}i0`, `${parted.txid}:1:1000`);
  });

  test('it is followed through many transactions, also several in one block', async () => {
    const { txid, coins } = await hands().reveal([text('far')], [SATS]);
    let coin = first(coins);
    const raws: string[] = [];
    for (let step = 1; step <= 12; step += 1) {
      const spent = hands().build([coin], [{ script: ownScript, sats: coin.sats - 200n }]);
      raws.push(spent.raw);
      coin = { outpoint: `${spent.txid}:0`, sats: coin.sats - 200n };
      if (step % 3 === 0) await hands().bench.mineExactly(raws.splice(0));
    }
    await hands().liesAt(`${txid}i0`, `${coin.outpoint}:0`);
    await hands().holds(coin.outpoint, [`${txid}i0`]);
  });

  test('a spend in the mempool does not move its confirmed place', async () => {
    const { txid, coins } = await hands().reveal([text('waiting')], [SATS]);
    const spent = hands().build([first(coins)], [{ script: ownScript, sats: SATS - 500n }]);
    await hands().bench.chain.broadcast([spent.raw]);
    await hands().liesAt(`${txid}i0`, `${txid}:0:0`);
    if (hands().bench.sees === 'mempool') await hands().holds(`${spent.txid}:0`, [`${txid}i0`]);
    await hands().bench.mine(1);
    await hands().liesAt(`${txid}i0`, `${spent.txid}:0:0`);
  });
}

function lossTests(hands: () => Hands): void {
  test('one that was paid as a fee lies in the coinbase, after the subsidy and the fees before it', async () => {
    const { txid, coins } = await hands().reveal([{ ...text('lost'), pointer: 9_000n }], [SATS]);
    const other = await hands().cardinal(SATS);
    const before = hands().build([other], [{ script: ownScript, sats: SATS - 5_000n }]);
    const losing = hands().build([first(coins)], [{ script: ownScript, sats: 8_000n }]);
    // A miner takes the higher feerate first.
    for (const { raw } of [before, losing]) await hands().bench.chain.broadcast([raw]);
    await hands().bench.mine(1);
    const { height, hash } = await hands().bench.chain.tip();
    const coinbase = txidOf(first((await hands().bench.blocks.block(hash)) ?? []));
    const offset = subsidySats({ height, network: 'regtest' }) + 5_000n + 1_000n;
    await hands().liesAt(`${txid}i0`, `${coinbase}:0:${offset}`);
    await hands().holds(`${coinbase}:0`, [`${txid}i0`]);
    await hands().holds(`${losing.txid}:0`, []);
  });

  test('one that was burned is unknown, for good', async () => {
    const { txid, coins } = await hands().reveal([text('burned')], [SATS]);
    const outputs = [
      { script: '6a00', sats: 1_000n },
      { script: ownScript, sats: 8_000n },
    ];
    await hands().bench.mineExactly([hands().build([first(coins)], outputs).raw]);
    await assert.rejects(hands().bench.ordinals.locate(`${txid}i0`), refusedWith('unknown_inscription'));
  });
}

function changeTests(hands: () => Hands): void {
  for (const depth of [1, 2, 3])
    test(`a reorg ${depth} deep takes a move back, until it confirms again`, async () => {
      const { txid, coins } = await hands().reveal([text('back')], [SATS]);
      const moved = await hands().move([first(coins)], [SATS - 500n]);
      await hands().bench.mine(depth - 1);
      await hands().liesAt(`${txid}i0`, `${moved.txid}:0:0`);
      await hands().bench.reorg({ depth, mempool: 'waiting' });
      await hands().liesAt(`${txid}i0`, `${txid}:0:0`);
      await hands().bench.mine(1);
      await hands().liesAt(`${txid}i0`, `${moved.txid}:0:0`);
    });

  test('after a reorg another spend may take it elsewhere', async () => {
    const other = await hands().cardinal(SATS);
    const { txid, coins } = await hands().reveal([text('elsewhere')], [SATS]);
    await hands().move([first(coins)], [SATS - 500n]);
    await hands().bench.reorg({ depth: 1, mempool: 'waiting' });
    const moved = await hands().move([other, first(coins)], [19_000n]);
    await hands().liesAt(`${txid}i0`, `${moved.txid}:0:10000`);
  });

  test('a reveal that a reorg took away is answered with no place', async () => {
    const { txid } = await hands().reveal([text('gone')], [SATS]);
    await hands().liesAt(`${txid}i0`, `${txid}:0:0`);
    await hands().bench.reorg({ depth: 1, mempool: 'waiting' });
    await assert.rejects(hands().bench.ordinals.locate(`${txid}i0`), (error) => {
      assert.ok(error instanceof SparkleError);
      assert.ok(['not_indexed', 'unknown_inscription'].includes(error.code));
      return true;
    });
  });
}
