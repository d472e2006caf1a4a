import { schnorr } from '@noble/curves/secp256k1.js';
import { sha256, sha512 } from '@noble/hashes/sha2.js';
import { hex } from '@scure/base';
import { p2tr } from '@scure/btc-signer/payment.js';
import { Transaction } from '@scure/btc-signer/transaction.js';
import { memoryChain, type MemoryChain } from 'sparkle-protocol/chain/memory';
import { commitOutput, commitSats, revealTransaction } from '../regtest/inscribe.ts';
import { keyRing } from './purse.ts';

export const START_SECONDS = 1_750_000_000;

/** An inscription that waits to be sold: where its sat is in which output of the seller. */
export type Inscribed = {
  inscriptionId: string;
  outpoint: string;
  valueSats: bigint;
  offsetSats: bigint;
  /** Whose keys the output belongs to. */
  owner: string;
};

/** What every world begins with: a chain on which people have coins, and the seller has inscriptions of all kinds. */
export type Base = { chain: MemoryChain; height: number; inscriptions: readonly [Inscribed, ...Inscribed[]] };

/** Values and offsets in which an inscription may lie before a trade. */
const lots = [
  [330n, 0n],
  [546n, 0n],
  [546n, 200n],
  [930n, 329n],
  [10_000n, 0n],
  [10_000n, 545n],
  [10_000n, 9_999n],
  [20_600n, 0n],
  [20_600n, 9_000n],
] as const;

const COINS_EACH = 4;
const BURIED_BLOCKS = 8;
const COIN_SATS = 400_000n;
/** What somebody has who can pay for an attack. */
const RICH_SATS = 60_000_000n;
const FEE_SATS = 100_000n;

export const seedOf = (name: string): Uint8Array => sha512(new TextEncoder().encode(`simulated seed of ${name}`));

let made: Base | undefined;

/** The base of all worlds of this process; made once, copied for each trade. */
export async function base(): Promise<Base> {
  made ??= await build();
  return made;
}

async function build(): Promise<Base> {
  const chain = memoryChain({ network: 'regtest', seed: 1, nowSeconds: () => START_SECONDS });
  // Before the coins: whoever takes the first that his wallet names for a fee takes one of these.
  const [first, ...others] = lots.map(([valueSats, offsetSats], index) =>
    inscribe(chain, { valueSats, offsetSats, index }),
  );
  fund(chain);
  // No reorg of a trade reaches down to where it all began.
  chain.control.mine(BURIED_BLOCKS);
  if (first === undefined) throw new Error('a world needs an inscription');
  return { chain, height: (await chain.tip()).height, inscriptions: [first, ...others] };
}

/** Each coin has keys of its own, so that a world can decide how many of them somebody has. */
export const coinOwners = (name: string, coins: number): string[] =>
  Array.from({ length: coins }, (_, index) => `coin ${index} of ${name}`);

const coin =
  (sats: bigint) =>
  (owner: string): { script: string; sats: bigint } => ({ script: keyRing(owner)[0]?.script ?? '', sats });

/** One payment from the faucet, split: signing is what costs. */
function fund({ control }: MemoryChain): void {
  const secret = sha256(new TextEncoder().encode('simulated treasury'));
  const payment = p2tr(schnorr.getPublicKey(secret));
  const coins = [
    ...['seller', 'buyer', 'rival'].flatMap((name) => coinOwners(name, COINS_EACH)).map(coin(COIN_SATS)),
    coin(RICH_SATS)('rich'),
  ];
  const total = coins.reduce((sum, { sats }) => sum + sats, FEE_SATS);
  const [txid = '', vout = '0'] = control.pay({ script: hex.encode(payment.script), sats: total }).split(':');
  control.mine(1);
  const tx = new Transaction({ allowUnknownOutputs: true });
  const witnessUtxo = { script: payment.script, amount: total };
  tx.addInput({ txid, index: Number(vout), witnessUtxo, tapInternalKey: payment.tapInternalKey });
  for (const { script, sats } of coins) tx.addOutput({ script: hex.decode(script), amount: sats });
  tx.sign(secret, undefined, new Uint8Array(32));
  tx.finalize();
  control.mineExactly([hex.encode(tx.extract())]);
}

/** A pointer puts the inscription on whatever sat of its output is asked for. */
function inscribe({ control }: MemoryChain, lot: { valueSats: bigint; offsetSats: bigint; index: number }): Inscribed {
  const { valueSats, offsetSats, index } = lot;
  const envelope = {
    body: new TextEncoder().encode(`simulated inscription ${index}`),
    contentType: 'text/plain',
    ...(offsetSats === 0n ? {} : { pointer: offsetSats }),
  };
  const commit = commitOutput([envelope]);
  const sats = commitSats(valueSats, [envelope]);
  const outpoint = control.pay({ script: hex.encode(commit.payment.script), sats });
  control.mine(1);
  const owner = `lot ${index}`;
  const address = keyRing(owner)[0]?.address ?? '';
  const reveal = revealTransaction({ commit, outpoint, valueSats: sats, outputs: [{ address, valueSats }] });
  control.mineExactly([reveal.raw]);
  return { inscriptionId: `${reveal.txid}i0`, outpoint: `${reveal.txid}:0`, valueSats, offsetSats, owner };
}
