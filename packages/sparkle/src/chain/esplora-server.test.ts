import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { sha256 } from '@noble/hashes/sha2.js';
import { hex } from '@scure/base';
import { addressOf, startRegtest, withoutBitcoind, type Regtest } from '../../../../test/regtest/bitcoind.ts';
import { readHeader } from '../protocol/header.ts';
import { checkMerkleBranch } from '../protocol/merkle.ts';
import { txidOf } from '../protocol/transaction.ts';
import { startEsploraServer, type EsploraServer } from './esplora-server.ts';
import { NOBODY, SATS, spendWithFee } from './suite-hands.ts';
import { ownScript } from './suite-keys.ts';

type Status = { confirmed: boolean; block_hash?: string; block_height?: number };
type Output = { scriptpubkey: string; value: number };
/** All fields that a test reads; which of them are there depends on the question. */
type Told = Record<'id' | 'txid' | 'previousblockhash' | 'next_best', string> &
  Record<'tx_count' | 'pos' | 'block_height' | 'fee' | 'vsize' | 'weight' | 'value' | 'count', number> & {
    merkle: string[];
    status: Status;
    confirmed: boolean;
    block_hash: string;
    vin: { is_coinbase: boolean; prevout: Output | null }[];
    vout: Output[];
  };

const scripthash = hex.encode(sha256(hex.decode(ownScript)));
const address = addressOf(ownScript);

describe('Esplora server', { skip: withoutBitcoind }, () => {
  let regtest: Regtest;
  let server: EsploraServer;

  const serve = (change: { searchBlocks?: number; indexBlocks?: number; allowOrigin?: string } = {}) => {
    const { rpcUrl: url, cookieFile } = regtest.node;
    const node = { url, credentials: { cookieFile }, timeoutMilliseconds: 10_000 };
    return startEsploraServer({ node, port: 0, searchBlocks: 1_000, indexBlocks: 10_000, ...change });
  };
  const ask = async (path: string, init: RequestInit = {}, base = server.url) => {
    const response = await fetch(base + path, init);
    return { status: response.status, text: await response.text(), headers: response.headers };
  };
  const json = async <T = Told>(path: string): Promise<T> => JSON.parse((await ask(path)).text) as T;
  const post = (path: string, body: string) => ask(path, { method: 'POST', body });
  const paid = () => regtest.pay({ to: address, sats: SATS });

  before(async () => {
    regtest = await startRegtest();
    server = await serve();
  });
  after(async () => {
    await server.stop();
    await regtest.stop();
  });

  test('it listens on loopback only, unless told otherwise', () => {
    assert.equal(new URL(server.url).hostname, '127.0.0.1');
  });

  test('the tip, heights, headers and summaries are those of the node', async () => {
    const height = await regtest.height();
    const hash = await regtest.rpc<string>('getbestblockhash');
    assert.equal((await ask('/blocks/tip/height')).text, String(height));
    assert.equal((await ask('/blocks/tip/hash')).text, hash);
    assert.equal((await ask(`/block-height/${height}`)).text, hash);
    assert.equal(readHeader((await ask(`/block/${hash}/header`)).text).hash, hash);
    const { id, tx_count: count, previousblockhash } = await json(`/block/${hash}`);
    assert.deepEqual([id, count], [hash, 1]);
    assert.deepEqual(await json(`/block/${hash}/status`), { in_best_chain: true, height, next_best: null });
    assert.equal((await json(`/block/${previousblockhash}/status`)).next_best, hash);
    assert.equal((await json<string[]>(`/block/${hash}/txids`))[0], (await ask(`/block/${hash}/txid/0`)).text);
  });

  test('each transaction of a block is proven by its merkle proof, however many there are', async () => {
    for (const payments of [0, 1, 2, 4, 7]) {
      for (let payment = 0; payment < payments; payment += 1) await paid();
      const [hash = ''] = await regtest.mine(1);
      const { merkleRoot } = readHeader((await ask(`/block/${hash}/header`)).text);
      const txids = await json<string[]>(`/block/${hash}/txids`);
      assert.equal(txids.length, payments + 1);
      for (const [at, txid] of txids.entries()) {
        const { merkle, pos, block_height: height } = await json(`/tx/${txid}/merkle-proof`);
        assert.deepEqual([pos, height], [at, await regtest.height()]);
        const raw = (await ask(`/tx/${txid}/hex`)).text;
        checkMerkleBranch({ raw, branch: { hashes: merkle, position: pos }, merkleRoot });
      }
    }
  });

  test('a transaction is told with what it spends, where it is, and its bytes', async () => {
    const outpoint = await paid();
    const [txid = '', vout] = outpoint.split(':');
    await regtest.mine(1);
    const spend = spendWithFee(outpoint, 1_000n);
    assert.equal((await post('/tx', spend.raw)).text, spend.txid);
    assert.equal((await ask(`/tx/${spend.txid}/hex`)).text, spend.raw);
    const told = await json(`/tx/${spend.txid}`);
    assert.deepEqual(told.vin[0]?.prevout, { scriptpubkey: ownScript, value: Number(SATS) });
    assert.deepEqual(told.vout, [{ scriptpubkey: ownScript, value: Number(SATS) - 1_000 }]);
    assert.deepEqual([told.fee, told.status], [1_000, { confirmed: false }]);
    assert.equal(told.weight, (await regtest.rpc<{ weight: number }>('getrawtransaction', [spend.txid, 1])).weight);
    const spent = { spent: true, txid: spend.txid, vin: 0, status: { confirmed: false } };
    assert.deepEqual(await json(`/tx/${txid}/outspend/${vout}`), spent);
    assert.deepEqual((await json<unknown[]>(`/tx/${txid}/outspends`))[Number(vout)], spent);
    assert.deepEqual(await json(`/tx/${spend.txid}/outspend/0`), { spent: false });
    assert.equal((await ask(`/tx/${spend.txid}/merkle-proof`)).status, 404);
    const [hash] = await regtest.mine(1);
    const status = await json(`/tx/${spend.txid}/status`);
    assert.deepEqual([status.confirmed, status.block_hash], [true, hash]);
    assert.deepEqual((await json(`/tx/${txid}/outspend/${vout}`)).status, status);
  });

  test('a coinbase spends nothing and pays no fee', async () => {
    const hash = await regtest.rpc<string>('getbestblockhash');
    const told = await json(`/tx/${(await ask(`/block/${hash}/txid/0`)).text}`);
    assert.deepEqual([told.vin[0]?.is_coinbase, told.vin[0]?.prevout, told.fee], [true, null, 0]);
  });

  test('the raw bytes of a transaction and of a block are files', async () => {
    const hash = await regtest.rpc<string>('getbestblockhash');
    const response = await fetch(`${server.url}/block/${hash}/raw`);
    assert.equal(response.headers.get('content-type'), 'application/octet-stream');
    const bytes = hex.encode(new Uint8Array(await response.arrayBuffer()));
    assert.equal(bytes, await regtest.rpc<string>('getblock', [hash, 0]));
    const txid = (await ask(`/block/${hash}/txid/0`)).text;
    const raw = await (await fetch(`${server.url}/tx/${txid}/raw`)).arrayBuffer();
    assert.equal(txidOf(hex.encode(new Uint8Array(raw))), txid);
  });

  test('coins and history of a script follow the mempool, the chain and its reorgs', async () => {
    const coins = async (): Promise<string[]> =>
      (await json<{ txid: string; vout: number }[]>(`/address/${address}/utxo`)).map(
        ({ txid, vout }) => `${txid}:${vout}`,
      );
    const outpoint = await paid();
    assert.ok((await coins()).includes(outpoint));
    await regtest.mine(1);
    const coin = (await json<Told[]>(`/scripthash/${scripthash}/utxo`)).find(({ txid }) => outpoint.startsWith(txid));
    assert.deepEqual([coin?.value, coin?.status.block_height], [Number(SATS), await regtest.height()]);
    const spend = spendWithFee(outpoint, 1_000n);
    await post('/tx', spend.raw);
    for (const blocks of [0, 1]) {
      if (blocks > 0) await regtest.mine(blocks);
      assert.ok(!(await coins()).includes(outpoint));
      assert.ok((await coins()).includes(`${spend.txid}:0`));
      const history = await json<Told[]>(`/scripthash/${scripthash}/txs`);
      assert.deepEqual(
        history.slice(0, 2).map(({ txid }) => txid),
        [spend.txid, outpoint.slice(0, 64)],
      );
    }
    await regtest.reorg({ depth: 1, mempool: 'waiting' });
    const [newest] = await json<Told[]>(`/address/${address}/txs`);
    assert.deepEqual([newest?.txid, newest?.status.confirmed], [spend.txid, false]);
    await regtest.mine(1);
    assert.ok((await coins()).includes(`${spend.txid}:0`));
  });

  test('a long history comes in pages', async () => {
    for (let payment = 0; payment < 27; payment += 1) await paid();
    await regtest.mine(1);
    const first = await json<Told[]>(`/scripthash/${scripthash}/txs`);
    assert.equal(first.length, 25);
    const next = await json<Told[]>(`/scripthash/${scripthash}/txs/chain/${first.at(-1)?.txid}`);
    const all = [...first, ...next].map(({ txid }) => txid);
    assert.equal(new Set(all).size, all.length);
    assert.ok(next.length >= 2);
  });

  test('a chain too long for the index is told as such', async () => {
    const small = await serve({ indexBlocks: 5 });
    assert.equal((await ask(`/address/${address}/utxo`, {}, small.url)).status, 501);
    await small.stop();
  });

  test('a spend that is further back than what is searched is not called unspent', async () => {
    const outpoint = await paid();
    await regtest.mine(1);
    await post('/tx', spendWithFee(outpoint, 1_000n).raw);
    await regtest.mine(4);
    const short = await serve({ searchBlocks: 2 });
    const [txid, vout] = outpoint.split(':');
    const { status, text } = await ask(`/tx/${txid}/outspend/${vout}`, {}, short.url);
    assert.equal(status, 503);
    assert.match(text, /spent more than 2 blocks ago/);
    await short.stop();
  });

  test('the mempool is told: how full it is, all txids, the last ten', async () => {
    await regtest.mine(1);
    const txids: string[] = [];
    for (let payment = 0; payment < 12; payment += 1) {
      txids.push((await paid()).slice(0, 64));
      if (payment % 4 === 0) await ask('/mempool/recent');
    }
    assert.equal((await json('/mempool')).count, 12);
    assert.deepEqual((await json<string[]>('/mempool/txids')).toSorted(), txids.toSorted());
    const recent = await json<Told[]>('/mempool/recent');
    assert.equal(recent.length, 10);
    assert.ok(recent.every(({ txid, fee, vsize, value }) => txids.includes(txid) && fee > 0 && vsize > 0 && value > 0));
    assert.ok(!recent.some(({ txid }) => txid === txids[0]));
    await regtest.mine(1);
    assert.deepEqual(await json('/mempool/recent'), []);
  });

  test('feerates are told by target, where the node has any', async () => {
    const estimates = await json<Record<string, number>>('/fee-estimates');
    for (const [target, satVb] of Object.entries(estimates)) assert.ok(Number(target) >= 1 && satVb > 0);
  });

  test('what there is not is 404', async () => {
    const height = await regtest.height();
    const paths = ['', '/hex', '/status', '/merkle-proof', '/outspend/0'].map((part) => `/tx/${NOBODY}${part}`);
    paths.push(`/block/${NOBODY}`, `/block/${NOBODY}/header`, `/block/${NOBODY}/raw`, `/block-height/${height + 1}`);
    paths.push(`/block/${await regtest.rpc<string>('getbestblockhash')}/txid/9999`, '/', '/nothing', '/tx', '/block/');
    for (const path of paths) assert.equal((await ask(path)).status, path === '/block/' ? 400 : 404, path);
    assert.equal((await ask('/tx', { method: 'PUT', body: '' })).status, 404);
    const txid = (await paid()).slice(0, 64);
    assert.equal((await ask(`/tx/${txid}/outspend/99`)).status, 404);
  });

  test('what cannot be is 400, and names what is wrong', async () => {
    const wrong: Record<string, string> = {
      '/tx/ab': 'txid',
      [`/tx/${'F'.repeat(64)}/hex`]: 'txid',
      [`/tx/${NOBODY}/outspend/-1`]: 'vout',
      [`/tx/${NOBODY}/outspend/1e3`]: 'vout',
      '/block-height/-1': 'height',
      '/block-height/01': 'height',
      '/block-height/99999999999': 'height',
      '/block/..%2f..%2fetc/header': 'hash',
      '/scripthash/ab/txs': 'scripthash',
      '/address/<script>/utxo': 'address',
    };
    for (const [path, name] of Object.entries(wrong)) {
      const { status, text } = await ask(path);
      assert.deepEqual([status, text], [400, `Invalid ${name}`], path);
    }
    for (const other of ['bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq', '1BoatSLRHtKNngkdXEeobR76b53LETtpyT'])
      assert.equal((await ask(`/address/${other}/utxo`)).status, 400);
  });

  test('transactions that are none, or that the node refuses, are 400 with its words', async () => {
    for (const body of ['', 'xyz', '0', '00'.repeat(10)]) assert.equal((await post('/tx', body)).status, 400);
    const orphan = spendWithFee(`${NOBODY}:0`, 1_000n).raw;
    const { status, text } = await post('/tx', orphan);
    assert.equal(status, 400);
    assert.match(text, /"message":"[^"]*(missing|spent)/);
    for (const body of ['', '{}', '[]', '["xyz"]', JSON.stringify(Array(26).fill('00')), '["00"]'])
      assert.equal((await post('/txs/package', body)).status, 400, body);
  });

  test('a body longer than a block is 413', async () => {
    assert.equal((await post('/tx', '0'.repeat(8_200_000))).status, 413);
  });

  test('a page of another origin may ask only where that is allowed', async () => {
    assert.equal((await ask('/blocks/tip/height')).headers.get('access-control-allow-origin'), null);
    const open = await serve({ allowOrigin: 'https://page.example' });
    const { headers } = await ask('/blocks/tip/height', {}, open.url);
    assert.equal(headers.get('access-control-allow-origin'), 'https://page.example');
    const preflight = await ask('/tx', { method: 'OPTIONS' }, open.url);
    assert.deepEqual([preflight.status, preflight.headers.get('access-control-allow-methods')], [204, 'GET, POST']);
    await open.stop();
  });

  test('a port that is taken is refused at the start', async () => {
    const { rpcUrl: url, cookieFile } = regtest.node;
    const node = { url, credentials: { cookieFile }, timeoutMilliseconds: 10_000 };
    const port = Number(new URL(server.url).port);
    await assert.rejects(startEsploraServer({ node, port, searchBlocks: 10, indexBlocks: 10 }), /EADDRINUSE/);
  });

  test('a node that is away is 503, and nothing of its address or login is told', async () => {
    await regtest.node.down();
    const { status, text } = await ask('/blocks/tip/hash');
    assert.equal(status, 503);
    assert.ok(!text.includes(String(regtest.node.rpcPort)) && !text.includes('cookie '));
    await regtest.node.up();
  });
});
