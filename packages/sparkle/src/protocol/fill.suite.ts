import { decodeTransaction, withWitness } from './draft.ts';
import { walletInput } from './layout.ts';
import type { SentLock } from './lock-tx.ts';
import { publicKeyOf, type Built, type SpendTerms } from './spend.ts';

/** What tests of fills share. */

export const terms: SpendTerms = {
  ...{ script: 'v1', internalKey: 'musig', network: 'regtest', paymentHash: 'ab'.repeat(32) },
  claimKey: publicKeyOf(new Uint8Array(32).fill(7)) ?? '',
  refundKey: publicKeyOf(new Uint8Array(32).fill(9)) ?? '',
  ...{ refundHeight: 900_144, postageSats: 10_000n, reserveSats: 3_000n, offsetSats: 546n },
};

export const changeAddress = 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080';

/** What a wallet would do with the inputs that are still open: witnesses of the sizes that they have. */
export const signedFill = ({ raw, spent }: Pick<Built, 'raw' | 'spent'>): SentLock => ({
  ...{ spent, vout: 1 },
  raw: spent.reduce((signing, prevout, index) => {
    const isOpen = decodeTransaction(signing).inputs[index]?.witness.length === 0;
    const witness = walletInput(prevout).witness.map((item) => item.fill(1));
    return isOpen ? withWitness(signing, index, witness) : signing;
  }, raw),
});
