import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { SparkleError } from '../protocol/errors.ts';
import { eventTests, outageTests, reorgTests } from './chain-changes.suite.ts';
import {
  confirmedCoin,
  NOBODY,
  refusedWith,
  SATS,
  spendWithFee,
  toOwn,
  until,
  type ChainBench,
  type Hands,
} from './suite-hands.ts';
import { ownScript, spendOwn } from './suite-keys.ts';

function lookTests(hands: Hands): void {
  const { bench, chain } = hands;

  test('it names its network', async () => {
    assert.equal(await chain().network(), bench().network);
  });

  test('the tip is the last block, and above it there is none', async () => {
    const tip = await chain().tip();
    assert.equal(await chain().blockHash(tip.height), tip.hash);
    assert.equal(await chain().blockHash(tip.height + 1), undefined);
    assert.match(tip.hash, /^[0-9a-f]{64}$/);
    assert.ok(tip.timeSeconds > 0);
    await bench().mine(1);
    const next = await chain().tip();
    assert.equal(next.height, tip.height + 1);
    assert.equal(await chain().blockHash(tip.height), tip.hash);
  });

  test('a height that is none is refused', async () => {
    await assert.rejects(chain().blockHash(-1), refusedWith('bad_height'));
    await assert.rejects(chain().blockHash(1.5), refusedWith('bad_height'));
  });

  test('what was never broadcast is nowhere', async () => {
    assert.equal(await chain().transaction(NOBODY), undefined);
    assert.equal(await chain().unspent(`${NOBODY}:0`), undefined);
    assert.equal(await chain().spender(`${NOBODY}:0`, 0), undefined);
  });

  test('a txid or an outpoint in another form is refused', async () => {
    await assert.rejects(chain().transaction('ab'), refusedWith('bad_hex'));
    await assert.rejects(chain().transaction(NOBODY.toUpperCase()), refusedWith('bad_hex'));
    await assert.rejects(chain().unspent(NOBODY), refusedWith('bad_outpoint'));
    await assert.rejects(chain().spender(`${NOBODY}:01`, 0), refusedWith('bad_outpoint'));
  });

  test('a payment is in the mempool first, then in a block', async () => {
    const outpoint = await bench().pay({ script: ownScript, sats: SATS });
    const txid = outpoint.slice(0, 64);
    const waiting = await until(() => chain().transaction(txid));
    assert.equal(waiting.txid, txid);
    assert.equal(waiting.block, undefined);
    assert.deepEqual(await chain().unspent(outpoint), { valueSats: SATS, script: ownScript, confirmations: 0 });
    await bench().mine(1);
    const tip = await chain().tip();
    assert.deepEqual(await chain().transaction(txid), { ...waiting, block: { height: tip.height, hash: tip.hash } });
    await bench().mine(2);
    assert.deepEqual(await chain().unspent(outpoint), { valueSats: SATS, script: ownScript, confirmations: 3 });
  });

  test('an output number that its transaction has not is not unspent', async () => {
    const { outpoint } = await confirmedCoin(hands);
    assert.equal(await chain().unspent(`${outpoint.slice(0, 64)}:77`), undefined);
  });

  test('a feerate is never below what relays, and a target below one block is refused', async () => {
    const soon = await chain().feerate(1);
    assert.ok(soon >= 0.1 && soon < 10_000);
    assert.ok((await chain().feerate(5_000)) <= soon);
    await assert.rejects(chain().feerate(0), refusedWith('bad_height'));
  });
}

function spendTests(hands: Hands): void {
  const { bench, chain } = hands;

  test('a spend counts from the mempool on, and its transaction is named in mempool and block', async () => {
    const { outpoint, height } = await confirmedCoin(hands);
    assert.equal(await chain().spender(outpoint, height), undefined);
    const { raw, txid } = spendWithFee(outpoint, 1_000n);
    await chain().broadcast([raw]);
    assert.equal(await chain().unspent(outpoint), undefined);
    assert.deepEqual(await chain().spender(outpoint, height), { txid, raw });
    await bench().mine(1);
    const { hash, height: spentAt } = await chain().tip();
    assert.deepEqual(await chain().spender(outpoint, height), { txid, raw, block: { height: spentAt, hash } });
    await bench().mine(3);
    assert.deepEqual(await chain().spender(outpoint, height), { txid, raw, block: { height: spentAt, hash } });
  });

  test('a spend in a block below the height that the search begins at is not searched', async () => {
    const { outpoint, height } = await confirmedCoin(hands);
    await chain().broadcast([spendWithFee(outpoint, 1_000n).raw]);
    await bench().mine(2);
    assert.equal(await chain().spender(outpoint, height + 2), undefined);
    assert.ok((await chain().spender(outpoint, height + 1)) !== undefined);
  });

  test('a transaction with more fee replaces another, which then is nowhere', async () => {
    const { outpoint, height } = await confirmedCoin(hands);
    const first = spendWithFee(outpoint, 500n);
    const second = spendWithFee(outpoint, 2_000n);
    await chain().broadcast([first.raw]);
    await chain().broadcast([second.raw]);
    assert.equal(await chain().transaction(first.txid), undefined);
    assert.equal((await chain().spender(outpoint, height))?.txid, second.txid);
    await assert.rejects(chain().broadcast([first.raw]), refusedWith('broadcast_refused'));
    await bench().mine(1);
    assert.equal((await chain().spender(outpoint, height))?.txid, second.txid);
    assert.equal(await chain().transaction(first.txid), undefined);
  });
}

function broadcastTests(hands: Hands): void {
  const { bench, chain } = hands;

  test('broadcasting again is no error: in the mempool, in a block, and after it was spent on', async () => {
    const { outpoint } = await confirmedCoin(hands);
    const first = spendWithFee(outpoint, 1_000n);
    await chain().broadcast([first.raw]);
    await chain().broadcast([first.raw]);
    await bench().mine(1);
    await chain().broadcast([first.raw]);
    const inputs = [{ outpoint: `${first.txid}:0`, sats: SATS - 1_000n }];
    await chain().broadcast([spendOwn({ inputs, outputs: toOwn(SATS - 2_000n) }).raw]);
    await bench().mine(1);
    await chain().broadcast([first.raw]);
  });

  test('a refusal carries the reason of the source', async () => {
    const orphan = spendWithFee(`${NOBODY}:0`, 1_000n);
    await assert.rejects(chain().broadcast([orphan.raw]), (error) => {
      refusedWith('broadcast_refused')(error);
      assert.match(String((error as SparkleError).detail['reason']), /missing|spent/i);
      return true;
    });
  });

  test('bytes that are no transaction are refused', async () => {
    await assert.rejects(chain().broadcast(['00']), refusedWith('broadcast_refused'));
  });

  test('a transaction is refused before its lock height and taken from it on', async () => {
    const { outpoint } = await confirmedCoin(hands);
    const { height } = await chain().tip();
    const inputs = [{ outpoint, sats: SATS }];
    // BIP 113 and consensus: nLockTime L may be in block L + 1, and the mempool looks at the next block.
    const { raw, txid } = spendOwn({ inputs, outputs: toOwn(SATS - 1_000n), lockHeight: height + 1 });
    await assert.rejects(chain().broadcast([raw]), refusedWith('broadcast_refused'));
    await bench().mine(1);
    await chain().broadcast([raw]);
    assert.ok((await chain().transaction(txid)) !== undefined);
  });

  test('a relative lock of one block keeps an unconfirmed parent from being spent (BIP 68)', async () => {
    const outpoint = await bench().pay({ script: ownScript, sats: SATS });
    const { raw } = spendOwn({ inputs: [{ outpoint, sats: SATS, sequence: 1 }], outputs: toOwn(SATS - 1_000n) });
    await assert.rejects(chain().broadcast([raw]), refusedWith('broadcast_refused'));
    await bench().mine(1);
    await chain().broadcast([raw]);
  });

  test('a parent without fee enters together with the child that pays for it, as one package, again and again', async () => {
    const { outpoint } = await confirmedCoin(hands);
    const parent = spendOwn({ inputs: [{ outpoint, sats: SATS }], outputs: toOwn(SATS), version: 3 });
    const child = spendOwn({
      inputs: [{ outpoint: `${parent.txid}:0`, sats: SATS }],
      outputs: toOwn(SATS - 1_000n),
      version: 3,
    });
    await assert.rejects(chain().broadcast([parent.raw]), refusedWith('broadcast_refused'));
    await chain().broadcast([parent.raw, child.raw]);
    await chain().broadcast([parent.raw, child.raw]);
    assert.ok((await chain().transaction(child.txid)) !== undefined);
    await bench().mine(1);
    assert.ok((await chain().transaction(parent.txid))?.block !== undefined);
    await chain().broadcast([parent.raw, child.raw]);
  });

  test('a package whose parent confirmed already still brings its child', async () => {
    const outpoint = await bench().pay({ script: ownScript, sats: SATS });
    const parent = spendWithFee(outpoint, 1_000n);
    await chain().broadcast([parent.raw]);
    await bench().mine(1);
    const inputs = [{ outpoint: `${parent.txid}:0`, sats: SATS - 1_000n }];
    const child = spendOwn({ inputs, outputs: toOwn(SATS - 2_000n) });
    await chain().broadcast([parent.raw, child.raw]);
    assert.ok((await chain().transaction(child.txid)) !== undefined);
  });

  test('a package whose child pays nothing is refused', async () => {
    const { outpoint } = await confirmedCoin(hands);
    const parent = spendWithFee(outpoint, 1_000n);
    const inputs = [{ outpoint: `${parent.txid}:0`, sats: SATS - 1_000n }];
    const child = spendOwn({ inputs, outputs: toOwn(SATS - 1_000n) });
    await assert.rejects(chain().broadcast([parent.raw, child.raw]), refusedWith('broadcast_refused'));
    assert.equal(await chain().transaction(child.txid), undefined);
  });
}

/** What every chain must do. `open` gives a chain with some blocks behind it and hands to move it. */
export function chainSuite(
  name: string,
  open: () => Promise<ChainBench>,
  options: { skip?: string | false } = {},
): void {
  describe(`chain: ${name}`, { skip: options.skip ?? false }, () => {
    let opened: ChainBench | undefined;
    const bench = (): ChainBench => {
      assert.ok(opened !== undefined);
      return opened;
    };
    const hands = { bench, chain: () => bench().chain };
    before(async () => {
      opened = await open();
    });
    after(async () => {
      await opened?.chain.close();
      await opened?.stop();
    });
    lookTests(hands);
    spendTests(hands);
    broadcastTests(hands);
    reorgTests(hands);
    eventTests(hands);
    outageTests(hands);
  });
}
