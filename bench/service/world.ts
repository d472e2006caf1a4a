import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { schnorr } from '@noble/curves/secp256k1.js';
import { hex } from '@scure/base';
import { p2tr } from '@scure/btc-signer/payment.js';
import type { FastifyBaseLogger } from 'fastify';
import { memoryChain, type MemoryChain } from 'sparkle-protocol/chain/memory';
import { memoryWallet } from 'sparkle-protocol/chain/memory-wallet';
import { memoryNetwork, type MemoryNetwork, type MemoryNode } from 'sparkle-protocol/lightning/memory';
import type { Ordinals } from 'sparkle-protocol/ordinals/ordinals';
import { buildListing } from 'sparkle-protocol/protocol/listing';
import { networks } from 'sparkle-protocol/protocol/network';
import { signed } from 'sparkle-protocol/protocol/listing.suite';
import { systemClock } from 'sparkle-protocol/trader/clock';
import type { Log } from 'sparkle-protocol/trader/log';
import { type Database, openDatabase } from '../../packages/coordinator/src/database/database.ts';
import { createLog } from '../../packages/coordinator/src/http/log.ts';
import { Service, type ServiceParts } from '../../packages/coordinator/src/operate/service.ts';

export const PRICE_SATS = 60_000n;
const POSTAGE_SATS = 10_000n;
/** The key that `listing.suite` signs with. */
const owner = p2tr(schnorr.getPublicKey(new Uint8Array(32).fill(3)), undefined, networks.regtest.address);
const UNBOUNDED = 1_000_000_000;

/** A chain and two Lightning nodes in memory, and an inscription that its owner has listed: all but the database is free. */
export type MemoryWorld = {
  chain: MemoryChain;
  network: MemoryNetwork;
  nodes: { house: MemoryNode; buyer: MemoryNode };
  ordinals: Ordinals;
  inscriptionId: string;
  listing: { inscription_id: string; price_sats: number; seller_address: string; psbt: string };
};

const nowSeconds = () => Math.floor(Date.now() / 1000);

export async function memoryWorld(): Promise<MemoryWorld> {
  const chain = memoryChain({ network: 'regtest', seed: 1, nowSeconds });
  const { height } = await chain.tip();
  const network = memoryNetwork({ network: 'regtest', seed: 'bench', height, nowSeconds: nowSeconds() });
  const script = hex.encode(owner.script);
  const outpoint = chain.control.pay({ script, sats: POSTAGE_SATS });
  chain.control.mine(1);
  network.setHeight(height + 1);
  const inscriptionId = outpoint.replace(/:(\d+)$/, 'i$1');
  const payoutAddress = owner.address ?? '';
  const unsigned = buildListing({
    ...{ network: 'regtest', inscriptionId, offsetSats: 0n, priceSats: PRICE_SATS, payoutAddress },
    source: { outpoint, valueSats: POSTAGE_SATS, script },
  });
  const [house, buyer] = ['house', 'buyer'].map((name) => network.addNode({ name, balanceMsat: 10n ** 15n }));
  if (house === undefined || buyer === undefined) throw new Error('there are two nodes');
  return {
    ...{ chain, network, nodes: { house, buyer }, inscriptionId },
    ordinals: {
      locate: async () => ({ satpoint: `${outpoint}:0`, atBlock: await chain.tip() }),
      inscriptionsIn: async () => [inscriptionId],
      assets: async () => ({ inscriptions: [{ id: inscriptionId, offsetSats: 0n }], runes: 'unknown', marks: [] }),
    },
    listing: {
      ...{ inscription_id: inscriptionId, price_sats: Number(PRICE_SATS), seller_address: payoutAddress },
      psbt: signed(unsigned, {
        source: { outpoint, valueSats: POSTAGE_SATS, script },
        address: payoutAddress,
        internalKey: hex.encode(schnorr.getPublicKey(new Uint8Array(32).fill(3))),
      }),
    },
  };
}

const config: ServiceParts['config'] = {
  network: 'regtest',
  // Each client of a bench comes from an address of its own.
  api: {
    host: '127.0.0.1',
    port: 0,
    publicUrl: 'http://127.0.0.1:8080',
    trustedProxies: ['127.0.0.1'],
    corsOrigins: [],
  },
  fees: { fixedSats: 1_000n, bps: 100 },
  royalties: { overLightning: false, routeFeeBps: 100, privateOrigins: [] },
  limits: {
    ...{ minTradeSats: 10_000n, maxTradeSats: 10_000_000n, capitalAtRiskSats: 10_000_000n, forwardSats: 0n },
    ...{
      maxOpenHoldsPerBuyer: UNBOUNDED,
      maxOpenTrades: UNBOUNDED,
      quoteTtlSeconds: 90,
      maxChainFeeBps: 10_000,
      claimWindowBlocks: 72,
    },
  },
  listers: 'anyone',
  ratesPerMinute: { quote: UNBOUNDED, create: UNBOUNDED, read: UNBOUNDED, auth: UNBOUNDED },
  idempotencySeconds: 3_600,
};

/** A file on the disk that temporary files lie on. */
export const sqliteUrl = (): string => `sqlite:${join(mkdtempSync(join(tmpdir(), 'sparkle-bench-')), 'bench.sqlite')}`;

export const openBenchDatabase = (url: string): Promise<Database> => openDatabase({ url, network: 'regtest' });

/** The coordinator as `main` puts it together, over that world. */
export function openService({ chain, nodes, ordinals }: MemoryWorld, database: Database): Promise<Service> {
  return Service.open({
    ...{ config, database, chain, ordinals, lightning: nodes.house.lightning, version: 'bench' },
    wallet: memoryWallet({ chain, network: 'regtest', secret: new Uint8Array(32).fill(7) }),
    ...{ seed: new Uint8Array(64).fill(5), clock: systemClock(), tickMilliseconds: 10_000 },
    log: createLog({ level: 'error' }) as FastifyBaseLogger & Log,
  });
}
