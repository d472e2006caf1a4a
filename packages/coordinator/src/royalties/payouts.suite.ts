import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { memoryNetwork, type MemoryNode } from 'sparkle-protocol/lightning/memory';
import { invoiceKey } from 'sparkle-protocol/lightning/memory-invoice';
import { decodeInvoice, encodeInvoice, type InvoiceTerms } from 'sparkle-protocol/protocol/bolt11';
import { quoting } from 'sparkle-protocol/store/samples.suite';
import { type Log, silentLog } from 'sparkle-protocol/trader/log';
import { certificates, Creator } from './creator.suite.ts';
import type { Database } from '../database/database.ts';
import { open } from '../database/database.suite.ts';
import { Ledger } from '../books/ledger.ts';
import { PayoutRows } from './payout-rows.ts';
import { type PayoutParts, Payouts } from './payouts.ts';

export const NOW = 1_800_000_000;
export const TRADE = { tradeId: 't1', paymentHash: 'a1'.repeat(32) };
export const SEED = 'payouts';
export const EXPIRY_SECONDS = 3_600;
const STARTS_WITH_MSAT = 2_000_000_000n;

/** `by`: whose key signs it, from which `seed`. */
export type Changed = { terms?: Partial<InvoiceTerms>; by?: string; seed?: string; preimage?: string };

export const preimageOf = (count: number): string => createHash('sha256').update(`payout ${count}`).digest('hex');
export const hashOf = (preimage: string): string =>
  createHash('sha256').update(Buffer.from(preimage, 'hex')).digest('hex');

/** An invoice of one of the network's nodes, with the hash of a description instead of one. */
export async function invoiceBy(
  node: MemoryNode,
  of: { amountMsat: bigint; descriptionHash: string; preimage: string; nowSeconds: number },
  { terms = {}, by = node.name, seed = SEED }: Changed = {},
): Promise<string> {
  const { amountMsat, descriptionHash, preimage, nowSeconds } = of;
  const asked = { amountMsat, finalCltv: 40, expirySeconds: EXPIRY_SECONDS, description: '', preimage };
  const { bolt11 } = await node.lightning.createInvoice(asked);
  const { paymentHash, paymentSecret, features } = decodeInvoice(bolt11);
  const { secretKey } = invoiceKey({ seed, name: by });
  const fixed = { network: 'regtest', payeeSource: 'recovered', routeHints: [], fallbacks: [] } as const;
  const rest = { timestampSeconds: nowSeconds, expirySeconds: EXPIRY_SECONDS, minFinalCltv: 40, features };
  const written = { ...fixed, ...rest, amountMsat, paymentHash, paymentSecret, descriptionHash };
  return encodeInvoice({ ...written, ...terms } as InvoiceTerms, secretKey);
}

/** A coordinator's node and that of a creator, whose service answers for him; a sale of which 3,000 sats are owed to him. */
export async function payoutWorld(context: TestContext, at: { isOn?: boolean; databaseUrl?: string } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'sparkle-payouts-'));
  const database: Database = await open(at.databaseUrl ?? `sqlite:${join(folder, 'coordinator.db')}`);
  await database.store.create({ trade: quoting(TRADE), effects: [] });
  const network = memoryNetwork({ network: 'regtest', seed: SEED, height: 200, nowSeconds: NOW });
  const node = (name: string) => network.addNode({ name, balanceMsat: STARTS_WITH_MSAT });
  const nodes = { ours: node('ours'), creator: node('creator'), other: node('other') };
  /** What the creator's service does otherwise with its next invoices. */
  const next: { changed: Changed } = { changed: {} };
  let count = 0;
  const invoice = (wanted: { amountMsat: bigint; descriptionHash: string }): Promise<string> => {
    const preimage = next.changed.preimage ?? preimageOf((count += 1));
    return invoiceBy(nodes.creator, { ...wanted, preimage, nowSeconds: network.nowSeconds() }, next.changed);
  };
  const creator = await Creator.open(invoice);
  context.after(async () => {
    await creator.close();
    await database.close();
    rmSync(folder, { recursive: true });
  });
  const rows = new PayoutRows(database);
  const told: string[] = [];
  const alarms: Log = { ...silentLog, error: (_fields, sentence) => void told.push(sentence) };
  const reach = { allowedOrigins: [creator.origin], ca: certificates.ca, resolve: async () => ['127.0.0.1'] };
  const parts: PayoutParts = {
    ...{ rows, lightning: nodes.ours.lightning, network: 'regtest', isOn: at.isOn ?? true, routeFeeBps: 100 },
    ...{ reach: { ...reach, timeoutMilliseconds: 1_000 }, log: silentLog, alarms },
    clock: { nowSeconds: () => network.nowSeconds(), every: () => () => {} },
  };
  /** Told by an instance that pays nothing; a sale's market fee leaves enough for any way unless it is named. */
  const owe = async ({ tradeId = TRADE.tradeId, to = creator.address, marketFeeSats = 1_000n } = {}) => {
    const teller = new Payouts({ ...parts, isOn: false, alarms: silentLog });
    await teller.owe({ tradeId, parts: [{ to, valueSats: 3_000n }], marketFeeSats });
    await teller.idle();
  };
  const ledger = new Ledger(database);
  const balance = async (name: string): Promise<bigint> =>
    (await ledger.balances()).find(({ account }) => account === name)?.balanceMsat ?? 0n;
  /** What left our node, and what came to the creator's. */
  const moved = () => ({
    left: STARTS_WITH_MSAT - nodes.ours.balanceMsat(),
    came: nodes.creator.balanceMsat() - STARTS_WITH_MSAT,
  });
  const wait = (seconds: number): void => network.setTime(network.nowSeconds() + seconds);
  const all = async () => database.tables.selectFrom('payout').select(['state', 'body']).orderBy('payout_id').execute();
  const states = async () => (await all()).map(({ state }) => state);
  const why = async () => (await rows.unpaid()).map((payout) => payout.why);
  return {
    ...{ database, network, nodes, creator, rows, told, parts, ledger, next },
    ...{ owe, balance, moved, wait, states, why, payouts: new Payouts(parts), again: () => new Payouts(parts) },
  };
}
