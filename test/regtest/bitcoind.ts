import { Address, OutScript } from '@scure/btc-signer';
import { hex } from '@scure/base';
import { type NetworkName, networks } from 'sparkle-protocol/protocol/network';
import { findBitcoind, startBitcoind, type Bitcoind, type BitcoindProgram } from '../../scripts/bitcoind.mjs';
import { commitOutput, commitSats, revealTransaction, type Envelope } from './inscribe.ts';
import { minerDescriptor, signetBlocks } from './signet-blocks.ts';
import nonces from './signet-nonces.json' with { type: 'json' };

const MINER = 'miner';
/** So many that the miner has coins to spend after a deep reorg too; coinbases mature after 100 blocks. */
const FIRST_BLOCKS = 130;

const required = (): boolean => {
  const parts = (process.env['SPARKLE_REQUIRE'] ?? '').split(/[\s,]+/);
  return parts.includes('all') || parts.includes('bitcoind');
};

async function lookFor(): Promise<{ program: BitcoindProgram } | { reason: string }> {
  try {
    return { program: await findBitcoind({ install: required() ? 'when missing' : 'never', log: console.error }) };
  } catch (error) {
    if (required()) throw error;
    return { reason: (error as Error).message };
  }
}

const found = await lookFor();

/**
 * For `test(name, { skip: withoutBitcoind }, ...)`: the sentence why tests that need a node are skipped, `false` when
 * there is one. With `SPARKLE_REQUIRE` naming `bitcoind` or `all` a missing node is a failure instead.
 */
export const withoutBitcoind: string | false = 'reason' in found ? found.reason : false;

/** An inscription that is in a block. `satpoint` is where it lies, on the first output of its reveal transaction. */
export type Inscribed = { inscriptionId: string; txid: string; outpoint: string; satpoint: string; valueSats: bigint };

export type Regtest = {
  /** The network that its addresses are of. */
  network: NetworkName;
  node: Bitcoind;
  rpc: Bitcoind['rpc'];
  height(): Promise<number>;
  /** Mines blocks with what is in the mempool. Coins go to `address`, or to the miner. Returns block hashes. */
  mine(blocks: number, address?: string): Promise<string[]>;
  /** A block with exactly these transactions (raw or txid), whatever the mempool's policy says. Returns its hash. */
  generateBlock(transactions: string[]): Promise<string>;
  /**
   * Replaces the last `depth` blocks by `depth + 1` others. `mempool: 'mined'` lets their transactions confirm again,
   * `'waiting'` leaves them unconfirmed in the mempool.
   */
  reorg(options: { depth: number; mempool: 'mined' | 'waiting' }): Promise<void>;
  /** Pays from the miner to an address; unconfirmed. Returns the outpoint. */
  pay(options: { to: string; sats: bigint }): Promise<string>;
  /** A new wallet of the node with bech32m addresses; ask it with `rpc(method, params, name)`. */
  wallet(name: string): Promise<string>;
  /** The same with one confirmed coin of `sats`. */
  fundedWallet(options: { name: string; sats: bigint }): Promise<string>;
  address(wallet?: string): Promise<string>;
  /** Inscribes for real: commit transaction, then the reveal in a block of its own, as `ord` recognises it. */
  inscribe(options: { body: string; contentType: string; to?: string; postageSats?: bigint }): Promise<Inscribed>;
  /** One reveal with several envelopes and outputs of choice; ids are `txid` + `i0`, `i1`, ... Returns the txid. */
  inscribeMany(options: { envelopes: Envelope[]; outputs: { address: string; valueSats: bigint }[] }): Promise<string>;
  stop(): Promise<void>;
};

/** Bitcoins as the node's JSON wants them: a decimal string, because a binary fraction is not an amount. */
export const btc = (sats: bigint): string => `${sats / 100_000_000n}.${String(sats % 100_000_000n).padStart(8, '0')}`;

const regtestAddress = Address(networks.regtest.address);

/** The address of a script (hex) on regtest, and back: tests speak of scripts, the node's wallet of addresses. */
export const addressOf = (script: string): string => regtestAddress.encode(OutScript.decode(hex.decode(script)));
export const scriptOf = (address: string, network: NetworkName = 'regtest'): string =>
  hex.encode(OutScript.encode(Address(networks[network].address).decode(address)));

type Output = { n: number; scriptPubKey: { hex: string } };

type Paying = Pick<Regtest, 'rpc' | 'network'>;

async function payFromMiner({ rpc, network }: Paying, { to, sats }: { to: string; sats: bigint }): Promise<string> {
  const txid = await rpc<string>('sendtoaddress', [to, btc(sats)], MINER);
  const tx = await rpc<{ vout: Output[] }>('getrawtransaction', [txid, 1]);
  const output = tx.vout.find(({ scriptPubKey }) => scriptPubKey.hex === scriptOf(to, network));
  if (output === undefined) throw new Error(`the payment ${txid} has no output to ${to}`);
  return `${txid}:${output.n}`;
}

async function reorgBy(rpc: Bitcoind['rpc'], depth: number, mempool: 'mined' | 'waiting'): Promise<void> {
  const height = await rpc<number>('getblockcount');
  const first = await rpc<string>('getblockhash', [height - depth + 1]);
  await rpc('invalidateblock', [first]);
  const to = await rpc<string>('getnewaddress', [], MINER);
  if (mempool === 'mined') await rpc('generatetoaddress', [depth + 1, to]);
  else for (let block = 0; block <= depth; block += 1) await rpc('generateblock', [to, []]);
}

async function reveal(
  regtest: Paying & Pick<Regtest, 'mine' | 'generateBlock'>,
  { envelopes, outputs }: Parameters<Regtest['inscribeMany']>[0],
): Promise<string> {
  const commit = commitOutput(envelopes, regtest.network);
  const paid = outputs.reduce((sum, output) => sum + output.valueSats, 0n);
  const valueSats = commitSats(paid, envelopes);
  const outpoint = await payFromMiner(regtest, { to: commit.address, sats: valueSats });
  await regtest.mine(1);
  const { raw, txid } = revealTransaction({ commit, outpoint, valueSats, outputs });
  // Knots refuses OP_IF in tapscript as policy; consensus does not.
  await regtest.generateBlock([raw]);
  return txid;
}

export type RegtestOptions = { args?: string[]; dir?: string; blocks?: number };

/** Tries of nonces for one block: on regtest the second is good, a signet wants millions. */
const MOST_TRIES = 2_000_000_000;
/** A node ends `generateblock` after a million nonces, too few for most blocks of a signet: another coinbase, another try. */
const TOO_FEW_NONCES = /Failed to make block/;

async function blockOf(rpc: Bitcoind['rpc'], transactions: string[]): Promise<string> {
  for (;;)
    try {
      const to = await rpc<string>('getnewaddress', [], MINER);
      return (await rpc<{ hash: string }>('generateblock', [to, transactions])).hash;
    } catch (error) {
      if (!TOO_FEW_NONCES.test(String(error))) throw error;
    }
}

/** A node of a private chain and its miner, whose wallet is there. */
function chainOver(node: Bitcoind, network: NetworkName): Regtest {
  const { rpc } = node;
  const address = (wallet = MINER): Promise<string> => rpc<string>('getnewaddress', [], wallet);
  const wallet = async (name: string): Promise<string> => {
    // The last argument loads it again when the node comes back.
    await rpc('createwallet', [name, false, false, '', false, true, true]);
    return name;
  };
  const mine: Regtest['mine'] = async (blocks, to) =>
    rpc<string[]>('generatetoaddress', [blocks, to ?? (await address()), MOST_TRIES]);
  const base = { rpc, network, mine, generateBlock: (transactions: string[]) => blockOf(rpc, transactions) };
  const pay: Regtest['pay'] = (payment) => payFromMiner(base, payment);
  return {
    ...{ node, ...base, wallet, address, pay },
    height: () => rpc<number>('getblockcount'),
    reorg: ({ depth, mempool }) => reorgBy(rpc, depth, mempool),
    async fundedWallet({ name, sats }) {
      await wallet(name);
      await pay({ to: await address(name), sats });
      await mine(1);
      return name;
    },
    async inscribe({ body, contentType, to, postageSats = 10_000n }) {
      const envelopes = [{ body: new TextEncoder().encode(body), contentType }];
      const outputs = [{ address: to ?? (await address()), valueSats: postageSats }];
      const txid = await reveal(base, { envelopes, outputs });
      const outpoint = `${txid}:0`;
      return { inscriptionId: `${txid}i0`, txid, outpoint, satpoint: `${outpoint}:0`, valueSats: postageSats };
    },
    inscribeMany: (many) => reveal(base, many),
    stop: () => node.stop(),
  };
}

/**
 * A private Bitcoin for one test file: a node with a miner that has coins. Call `stop` in `after`; a process that
 * forgets it or is killed leaves nothing behind either. `args` are further arguments of the node. `blocks` are mined at the
 * start, more than 100 for the miner to have a coin.
 */
export async function startRegtest({ blocks = FIRST_BLOCKS, ...options }: RegtestOptions = {}): Promise<Regtest> {
  if ('reason' in found) throw new Error(found.reason);
  const regtest = chainOver(await startBitcoind({ program: found.program, ...options }), 'regtest');
  await regtest.wallet(MINER);
  await regtest.mine(blocks);
  return regtest;
}

/**
 * The same on a signet of its own, which asks for work: each block that is mined takes a second or two. The first, with
 * mature coins of the miner, are those of `signetBlocks`; one more tells everybody that the chain is up to date.
 */
export async function startSignet(options: Pick<RegtestOptions, 'args'> = {}): Promise<Regtest> {
  if ('reason' in found) throw new Error(found.reason);
  const signet = chainOver(await startBitcoind({ program: found.program, chain: 'signet', ...options }), 'signet');
  const { rpc } = signet;
  await signet.wallet(MINER);
  const { checksum } = await rpc<{ checksum: string }>('getdescriptorinfo', [minerDescriptor]);
  // Before the blocks: what a wallet does not know when a block comes it would have to look for.
  await rpc('importdescriptors', [[{ desc: `${minerDescriptor}#${checksum}`, timestamp: 0 }]], MINER);
  for (const raw of signetBlocks(nonces)) await rpc('submitblock', [raw]);
  await signet.mine(1);
  return signet;
}
