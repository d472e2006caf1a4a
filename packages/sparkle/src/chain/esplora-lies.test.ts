import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { SparkleError } from '../protocol/errors.ts';
import { readHeader } from '../protocol/header.ts';
import { txidOf, writeTransaction } from '../protocol/transaction.ts';
import type { Chain } from './chain.ts';
import { esploraChain, type EsploraChainOptions } from './esplora.ts';
import { json, mineBlock, PaperServer, proofIn, statusIn, type PaperBlock } from './esplora-paper.suite.ts';
import { mineHeader, REGTEST_BITS } from './mined-header.suite.ts';
import { NOBODY, refusedWith, SATS, spendWithFee, until } from './suite-hands.ts';
import { ownScript } from './suite-keys.ts';

const lie = (what: string) => (error: unknown) => {
  refusedWith('dishonest_source')(error);
  assert.equal((error as SparkleError).detail['what'], what);
  return true;
};

const silent = (reason: string) => (error: unknown) => {
  refusedWith('chain_unavailable')(error);
  assert.equal((error as SparkleError).detail['reason'], reason);
  return true;
};

describe('esplora, over a server that', () => {
  let paper: PaperServer;
  let chain: Chain;
  /** The coinbase that `spend` spends in `confirmedIn`, and the one that `waiting` spends in the mempool. */
  let first: string;
  let second: string;
  let spend: { raw: string; txid: string };
  let waiting: { raw: string; txid: string };
  let confirmedIn: PaperBlock;
  const opened: Chain[] = [];

  const open = (change: Partial<EsploraChainOptions> = {}): Chain => {
    const one = esploraChain({
      ...{ url: paper.url, network: 'regtest', timeoutMilliseconds: 2_000, pollMilliseconds: 10 },
      ...{ mempool: 'watched', maxTipAgeSeconds: 3600, nowSeconds: () => paper.timeSeconds + 100, fallbackSatVb: 3 },
      ...change,
    });
    opened.push(one);
    return one;
  };

  before(async () => {
    paper = new PaperServer();
    await paper.start();
    first = txidOf(paper.mine().raws[0] ?? '');
    second = txidOf(paper.mine().raws[0] ?? '');
    spend = spendWithFee(`${first}:0`, 1_000n);
    waiting = spendWithFee(`${second}:0`, 1_000n);
    for (let height = 3; height <= 35; height += 1) paper.mine();
    confirmedIn = paper.mine(spend.raw);
    paper.mine();
    paper.mempool.push(waiting.raw);
  });
  beforeEach(() => {
    paper.lies.clear();
    paper.asked.length = 0;
    chain = open();
  });
  after(async () => {
    await Promise.all(opened.map((each) => each.close()));
    paper.stop();
  });

  test('says the truth is believed, near the tip and deep below it', async () => {
    assert.equal(await chain.network(), 'regtest');
    const { hash, height } = paper.tip;
    assert.deepEqual(await chain.tip(), { hash, height, timeSeconds: paper.timeSeconds + height });
    const block = { height: confirmedIn.height, hash: confirmedIn.hash };
    assert.deepEqual(await chain.transaction(spend.txid), { txid: spend.txid, raw: spend.raw, block });
    assert.deepEqual((await chain.transaction(first))?.block, { height: 1, hash: paper.blocks[0]?.hash });
    assert.deepEqual(await chain.spender(`${second}:0`, 0), { txid: waiting.txid, raw: waiting.raw });
    assert.equal(await chain.unspent(`${second}:0`), undefined);
    const output = { valueSats: SATS - 1_000n, script: ownScript, confirmations: 2 };
    assert.deepEqual(await chain.unspent(`${spend.txid}:0`), output);
  });

  test('gives other bytes for a transaction is caught', async () => {
    for (const body of [waiting.raw, `${spend.raw}00`, '00']) {
      paper.lies.set(`/tx/${spend.txid}/hex`, { status: 200, body });
      await assert.rejects(chain.transaction(spend.txid), lie('wrong_raw'));
      await assert.rejects(chain.spender(`${first}:0`, 0), lie('wrong_raw'));
    }
  });

  test('names a spender and hides it is caught', async () => {
    paper.lies.set(`/tx/${waiting.txid}/hex`, { status: 404, body: '' });
    await assert.rejects(chain.spender(`${second}:0`, 0), lie('hidden_transaction'));
    await assert.rejects(chain.unspent(`${second}:0`), lie('hidden_transaction'));
  });

  test('names a spender that does not spend is caught', async () => {
    paper.lies.set(
      `/tx/${second}/outspend/0`,
      json({ spent: true, txid: spend.txid, vin: 0, status: statusIn(confirmedIn) }),
    );
    await assert.rejects(chain.spender(`${second}:0`, 0), lie('wrong_spender'));
    await assert.rejects(chain.unspent(`${second}:0`), lie('wrong_spender'));
  });

  test('calls a waiting transaction confirmed is caught by the proof', async () => {
    paper.lies.set(`/tx/${waiting.txid}/status`, json(statusIn(confirmedIn)));
    const proof = proofIn(confirmedIn, spend.txid);
    for (const merkle of [proof.merkle, [], [...proof.merkle, ...proof.merkle], Array(16).fill(first)]) {
      paper.lies.set(`/tx/${waiting.txid}/merkle-proof`, json({ ...proof, merkle }));
      await assert.rejects(chain.transaction(waiting.txid), lie('fake_confirmation'));
    }
  });

  test('calls a waiting transaction confirmed and shows no proof proves nothing', async () => {
    paper.lies.set(`/tx/${waiting.txid}/status`, json(statusIn(confirmedIn)));
    await assert.rejects(chain.transaction(waiting.txid), silent('changing'));
  });

  test('shows a block that is no part of the chain is caught, near the tip and deep below it', async () => {
    for (const height of [36, 5]) {
      const previous = paper.blocks[height - 2]?.hash ?? '';
      const { timeSeconds } = paper;
      const stale = mineBlock({ previous, height, timeSeconds, salt: 7, raws: [waiting.raw] });
      paper.lies.set(`/tx/${waiting.txid}/status`, json(statusIn(stale)));
      paper.lies.set(`/tx/${waiting.txid}/merkle-proof`, json(proofIn(stale, waiting.txid)));
      paper.lies.set(`/block/${stale.hash}/header`, { status: 200, body: stale.header });
      const coinbase = txidOf(stale.raws[0] ?? '');
      paper.lies.set(`/block/${stale.hash}/txid/0`, { status: 200, body: coinbase });
      paper.lies.set(`/tx/${coinbase}/hex`, { status: 200, body: stale.raws[0] ?? '' });
      paper.lies.set(`/tx/${coinbase}/merkle-proof`, json(proofIn(stale, coinbase)));
      await assert.rejects(chain.transaction(waiting.txid), lie('fake_confirmation'));
    }
  });

  test('calls a block higher or lower than it is is caught', async () => {
    for (const wrong of [1, confirmedIn.height + 1]) {
      paper.lies.set(`/tx/${spend.txid}/status`, json({ ...statusIn(confirmedIn), block_height: wrong }));
      await assert.rejects(chain.transaction(spend.txid), lie('fake_height'));
    }
    paper.lies.set('/block-height/7', { status: 200, body: paper.blocks[7]?.hash ?? '' });
    await assert.rejects(chain.blockHash(7), lie('fake_height'));
  });

  test('shows as coinbase of its tip what is none is caught', async () => {
    paper.lies.set(`/block/${paper.tip.hash}/txid/0`, { status: 200, body: spend.txid });
    await assert.rejects(chain.tip(), lie('fake_height'));
    const coinbase = confirmedIn.raws[0] ?? '';
    paper.lies.set(`/block/${paper.tip.hash}/txid/0`, { status: 200, body: txidOf(coinbase) });
    await assert.rejects(chain.tip(), lie('fake_height'));
  });

  test('gives another header, or one that nobody mined, is caught', async () => {
    const { hash } = paper.tip;
    paper.lies.set(`/block/${hash}/header`, { status: 200, body: confirmedIn.header });
    await assert.rejects(chain.tip(), lie('wrong_header'));
    const { timeSeconds } = paper;
    const on = { previous: hash, merkleRoot: first, timeSeconds, bits: REGTEST_BITS };
    const header = mineHeader({ ...on, work: 'missing' });
    const invented = readHeader(header).hash;
    paper.lies.set('/blocks/tip/hash', { status: 200, body: invented });
    paper.lies.set(`/block/${invented}/header`, { status: 200, body: header });
    await assert.rejects(chain.tip(), lie('no_work'));
  });

  test('shows blocks as easy as on regtest proves nothing for mainnet', async () => {
    await assert.rejects(open({ network: 'mainnet' }).tip(), silent('unproven'));
    await assert.rejects(open({ network: 'mainnet' }).transaction(spend.txid), silent('unproven'));
  });

  test('lags is noticed: its tip is too old, or falls behind what it was', async () => {
    const late = open({ nowSeconds: () => paper.timeSeconds + 37 + 3_601 });
    await assert.rejects(late.tip(), silent('lagging'));
    await assert.rejects(late.transaction(spend.txid), silent('lagging'));
    await chain.tip();
    paper.lies.set('/blocks/tip/hash', { status: 200, body: confirmedIn.hash });
    await assert.rejects(chain.tip(), silent('lagging'));
    await assert.rejects(chain.unspent(`${first}:0`), silent('lagging'));
  });

  test('answers garbage is noticed', async () => {
    const garbage = ['<html>welcome</html>', '', '{}', '[]', 'null', '{"spent":"no"}', '\u0000\uFFFD', 'F'.repeat(64)];
    for (const body of garbage) {
      paper.lies.set('*', { status: 200, body });
      await assert.rejects(chain.tip(), silent('garbage'));
      await assert.rejects(chain.blockHash(3), silent('garbage'));
      if (body !== '{}') await assert.rejects(chain.feerate(3), silent('garbage'));
    }
    for (const body of garbage) {
      paper.lies.clear();
      paper.lies.set(`/tx/${second}/outspend/0`, { status: 200, body });
      await assert.rejects(chain.spender(`${second}:0`, 0), silent('garbage'));
      paper.lies.set(`/tx/${spend.txid}/merkle-proof`, { status: 200, body });
      await assert.rejects(chain.transaction(spend.txid), silent('garbage'));
    }
    paper.lies.set('/fee-estimates', json({ 2: 1e9 }));
    await assert.rejects(chain.feerate(2), silent('garbage'));
    paper.lies.set('/blocks/tip/hash', { status: 418, body: 'teapot' });
    await assert.rejects(chain.tip(), silent('garbage'));
  });

  test('is broken or away is told as such', async () => {
    paper.lies.set('*', { status: 502, body: 'bad gateway' });
    await assert.rejects(chain.tip(), silent('server_error'));
    await assert.rejects(chain.broadcast([spend.raw]), silent('server_error'));
    paper.lies.set('*', (response) => void response.destroy());
    await assert.rejects(chain.tip(), silent('unreachable'));
    paper.lies.set('*', { status: 302, body: '', headers: { location: 'http://127.0.0.1:1/' } });
    await assert.rejects(chain.tip(), silent('unreachable'));
  });

  test('never answers, or never ends, is given up in time', async () => {
    const hurried = open({ timeoutMilliseconds: 100 });
    paper.lies.set('*', () => undefined);
    await assert.rejects(hurried.tip(), silent('timeout'));
    paper.lies.set('*', (response) => void response.write('0'));
    await assert.rejects(hurried.tip(), silent('timeout'));
  });

  test('sends more than was asked for is cut off', async () => {
    paper.lies.set('/blocks/tip/hash', { status: 200, body: 'a'.repeat(70_000) });
    await assert.rejects(chain.tip(), silent('oversized'));
    let sent = 0;
    let cut = false;
    paper.lies.set(`/tx/${spend.txid}/hex`, (response) => {
      response.on('close', () => (cut = true));
      const more = (): void => {
        while (!cut && response.write('a'.repeat(65_536))) sent += 65_536;
        response.once('drain', more);
      };
      more();
    });
    paper.lies.delete('/blocks/tip/hash');
    await assert.rejects(open({ timeoutMilliseconds: 20_000 }).transaction(spend.txid), silent('oversized'));
    await until(() => cut);
    assert.ok(sent < 64_000_000);
  });

  test('wants to be left alone is left alone as long as it said, and then asked again', async () => {
    for (const after of ['1', new Date((paper.timeSeconds + 101) * 1000).toUTCString()]) {
      const one = open();
      paper.lies.set('*', { status: 429, body: 'slow down', headers: { 'retry-after': after } });
      await assert.rejects(one.tip(), silent('rate_limited'));
      paper.lies.clear();
      paper.asked.length = 0;
      await assert.rejects(one.transaction(spend.txid), (error: SparkleError) => {
        assert.equal(error.detail['retryAfterSeconds'], 1);
        return silent('rate_limited')(error);
      });
      assert.deepEqual(paper.asked, []);
      assert.ok(await until(() => one.tip().catch(() => undefined)));
    }
  });

  test('says 429 without a time is asked more and more seldom, a 503 with a time counts the same', async () => {
    const seconds = async (one: Chain) => {
      let wait = 0;
      await assert.rejects(one.tip(), (error: SparkleError) => {
        wait = Number(error.detail['retryAfterSeconds']);
        return silent('rate_limited')(error);
      });
      return wait;
    };
    paper.lies.set('*', { status: 429, body: '' });
    const one = open();
    assert.equal(await seconds(one), 1);
    await until(async () => (await seconds(one)) === 2);
    paper.lies.set('*', { status: 503, body: '', headers: { 'retry-after': '99999999' } });
    assert.equal(await seconds(open()), 3_600);
  });

  test('is watched while it refuses is not asked in a spin', async () => {
    paper.lies.set('*', { status: 429, body: '', headers: { 'retry-after': '60' } });
    let told = 0;
    const stop = chain.subscribe(() => (told += 1));
    await until(() => paper.asked.length > 0);
    const other = open();
    paper.lies.clear();
    // Time for many polls: another client sees a block meanwhile.
    await new Promise<void>((resolve) => {
      const end = other.subscribe((event) => {
        if (event.type !== 'tip') return;
        end();
        resolve();
      });
    });
    assert.equal(paper.asked.filter((path) => path === '/blocks/tip/hash').length <= 3, true);
    assert.equal(told, 0);
    stop();
  });

  test('takes a transaction and calls it something else is caught', async () => {
    paper.lies.set('/tx', { status: 200, body: first });
    await assert.rejects(chain.broadcast([waiting.raw]), lie('wrong_txid'));
    paper.lies.set('/tx', { status: 200, body: `${waiting.txid}\n` });
    await chain.broadcast([waiting.raw]);
  });

  test('refuses what it has already is no refusal; what it has not, is, in its own words', async () => {
    paper.lies.set('/tx', { status: 400, body: 'RPC error: {"message":"bad-txns-inputs-missingorspent"}\n' });
    await chain.broadcast([waiting.raw]);
    await chain.broadcast([spend.raw]);
    const other = spendWithFee(`${second}:0`, 5_000n);
    await assert.rejects(chain.broadcast([other.raw]), (error: SparkleError) => {
      refusedWith('broadcast_refused')(error);
      assert.match(String(error.detail['reason']), /^RPC error: .*missingorspent/);
      return true;
    });
  });

  test('takes no packages gets the parents first, and a refusal says so', async () => {
    const other = spendWithFee(`${second}:0`, 5_000n);
    paper.lies.set('/tx', { status: 400, body: 'min relay fee not met' });
    await assert.rejects(chain.broadcast([waiting.raw, other.raw]), (error: SparkleError) => {
      refusedWith('broadcast_refused')(error);
      assert.match(String(error.detail['reason']), /min relay fee not met; and this server takes no packages/);
      assert.equal(error.detail['txid'], other.txid);
      return true;
    });
    assert.deepEqual(
      paper.asked.filter((path) => path === '/tx' || path === '/txs/package'),
      ['/txs/package', '/tx', '/tx'],
    );
  });

  test('judges a package with garbage says nothing', async () => {
    for (const body of ['', '{}', '<html>']) {
      paper.lies.set('/txs/package', { status: 200, body });
      await assert.rejects(chain.broadcast([waiting.raw, spend.raw]), silent('garbage'));
    }
  });

  test('has estimated no feerate leaves it to the fallback, and the nearest lower target counts', async () => {
    assert.deepEqual([await chain.feerate(1), await chain.feerate(5), await chain.feerate(5_000)], [9, 9, 2]);
    paper.lies.set('/fee-estimates', json({}));
    assert.equal(await chain.feerate(3), 3);
    paper.lies.set('/fee-estimates', json({ 2: 0.01 }));
    assert.equal(await chain.feerate(3), 1);
  });

  test('has a key in its URL or wants a login never sees either in an error', async () => {
    const keyed = open({ url: `${paper.url}/secret-key-123/` });
    await assert.rejects(keyed.tip(), (error: SparkleError) => {
      assert.ok(!JSON.stringify([error.message, error.detail, String(error.cause)]).includes('secret-key-123'));
      return silent('garbage')(error);
    });
    for (const url of ['http://u:hunter2@127.0.0.1/', 'http://127.0.0.1/?key=hunter2', 'ftp://127.0.0.1', 'hunter2'])
      assert.throws(
        () => open({ url }),
        (error: SparkleError) => refusedWith('bad_config')(error) && !error.message.includes('hunter2'),
      );
  });

  test('is left while it answers is left at once', async () => {
    const one = open({ timeoutMilliseconds: 60_000 });
    paper.lies.set('*', () => undefined);
    const asked = one.tip();
    await until(() => paper.asked.length > 0);
    await Promise.all([assert.rejects(asked, silent('unreachable')), one.close()]);
  });

  test('calls a transaction of 64 bytes confirmed is no liar, and proves nothing (CVE-2017-12842)', async () => {
    const short = writeTransaction({
      version: 2,
      inputs: [{ txid: NOBODY, vout: 0, scriptSig: new Uint8Array(), sequence: 0, witness: [] }],
      outputs: [{ valueSats: 1_000n, script: Uint8Array.of(0x51, 0x52, 0x53, 0x54) }],
      lockTime: 0,
    });
    assert.equal(short.length, 128);
    paper.mine(short);
    await assert.rejects(chain.transaction(txidOf(short)), silent('unproven'));
  });
});
