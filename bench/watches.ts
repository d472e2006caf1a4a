import { setTimeout as wait } from 'node:timers/promises';
import { bitcoindChain } from 'sparkle-protocol/chain/bitcoind';
import type { Chain } from 'sparkle-protocol/chain/chain';
import { electrumChain } from 'sparkle-protocol/chain/electrum';
import { firstBlock } from 'sparkle-protocol/chain/electrum-checkpoints';
import { esploraChain } from 'sparkle-protocol/chain/esplora';
import { startEsploraServer } from 'sparkle-protocol/chain/esplora-server';
import { SATS, spendWithFee } from 'sparkle-protocol/chain/suite-hands';
import { ownScript } from 'sparkle-protocol/chain/suite-keys';
import { addressOf, startRegtest, type Regtest } from '../test/regtest/bitcoind.ts';
import { startElectrumX, withoutElectrumx } from '../test/regtest/electrumx.ts';
import { until } from '../test/regtest/kept-process.ts';
import { spread, type Spread } from './percentiles.ts';

const WATCHES = 100;
/** Spends are sent in waves, and within a wave so far apart that they fall on all moments between two polls. */
const WAVE = 10;
const APART_MILLISECONDS = 110;

type Source = { chain: Chain; stop(): Promise<void> };
type Row = { 'spend broadcast -> told, ms': Spread; 'asked for 100 spenders at once, ms': number } | string;

/** What is watched with. A source that cannot be had answers with the sentence why. */
const sources: Record<string, (regtest: Regtest) => Promise<Source | string>> = {
  'bitcoind, ZeroMQ': async ({ node }) => {
    const chain = bitcoindChain({ ...rpcOf(node), zmq: node.zmq, pollMilliseconds: 60_000, fallbackSatVb: 2 });
    return { chain, stop: () => chain.close() };
  },
  'electrum, ElectrumX that polls its node each second': electrum,
  'esplora, own server, polled each second': (regtest) => esplora(regtest, 'recent', 1_000),
  'esplora, as with a public server, polled each second': (regtest) => esplora(regtest, 'watched', 1_000),
};

const rpcOf = (node: Regtest['node']) => ({
  ...{ url: node.rpcUrl, timeoutMilliseconds: 30_000 },
  credentials: { user: node.rpcUser, password: node.rpcPassword },
});

async function electrum(regtest: Regtest): Promise<Source | string> {
  if (withoutElectrumx !== false) return withoutElectrumx;
  const server = await startElectrumX({ regtest, pollMilliseconds: 1_000 });
  const chain = electrumChain({
    ...{ url: server.url, network: 'regtest', checkpoint: firstBlock('regtest'), fallbackSatVb: 2 },
    ...{ timeoutMilliseconds: 30_000, indexMilliseconds: 10_000, pollMilliseconds: 60_000 },
    backoff: { firstMilliseconds: 100, mostMilliseconds: 5_000 },
  });
  const stop = async (): Promise<void> => {
    await chain.close();
    await server.stop();
  };
  return { chain, stop };
}

async function esplora({ node }: Regtest, mempool: 'recent' | 'watched', pollMilliseconds: number): Promise<Source> {
  const server = await startEsploraServer({ node: rpcOf(node), port: 0, searchBlocks: 1_000, indexBlocks: 0 });
  const chain = esploraChain({
    ...{ url: server.url, network: 'regtest', timeoutMilliseconds: 30_000, pollMilliseconds, mempool },
    ...{ maxTipAgeSeconds: Infinity, nowSeconds: () => Date.now() / 1000, fallbackSatVb: 2 },
  });
  const stop = async (): Promise<void> => {
    await chain.close();
    await server.stop();
  };
  return { chain, stop };
}

/** A hundred outputs watched at once, spent one after the other by somebody else: when is each spend told. */
export async function benchWatches(): Promise<Record<string, Row>> {
  const regtest = await startRegtest();
  try {
    const rows: Record<string, Row> = {};
    for (const [name, open] of Object.entries(sources)) {
      const source = await open(regtest);
      rows[name] = typeof source === 'string' ? source : await measured(regtest, source);
    }
    return rows;
  } finally {
    await regtest.stop();
  }
}

async function measured(regtest: Regtest, { chain, stop }: Source): Promise<Row> {
  const to = addressOf(ownScript);
  const outpoints: string[] = [];
  for (let index = 0; index < WATCHES; index++) {
    outpoints.push(await regtest.pay({ to, sats: SATS }));
    // A node keeps no more than 25 unconfirmed payments in one line.
    if (index % 20 === 19) await regtest.mine(1);
  }
  const height = await regtest.height();
  const told = new Map<string, number>();
  const tips: string[] = [];
  const unsubscribe = chain.subscribe((event) => {
    if (event.type === 'transaction') told.set(event.txid, performance.now());
    else if (event.type === 'tip') tips.push(event.tip.hash);
  });
  await until('the chain is followed', () => tips.length > 0);
  const asked = performance.now();
  await Promise.all(outpoints.map((outpoint) => chain.spender(outpoint, height - 10)));
  const answered = Math.round(performance.now() - asked);
  const latencies = await spendAll({ regtest, outpoints, told });
  unsubscribe();
  await stop();
  await regtest.mine(1);
  return { 'spend broadcast -> told, ms': spread(latencies), 'asked for 100 spenders at once, ms': answered };
}

async function spendAll(on: { regtest: Regtest; outpoints: string[]; told: Map<string, number> }): Promise<number[]> {
  const { regtest, outpoints, told } = on;
  const sent = new Map<string, number>();
  for (const [index, outpoint] of outpoints.entries()) {
    const { raw, txid } = spendWithFee(outpoint, 1_000n);
    sent.set(txid, performance.now());
    await regtest.rpc('sendrawtransaction', [raw]);
    if (index % WAVE === WAVE - 1)
      await until('the spends are told', () => [...sent.keys()].every((id) => told.has(id)));
    else await wait(APART_MILLISECONDS);
  }
  return [...sent].map(([txid, at]) => (told.get(txid) ?? NaN) - at);
}
