import { coin, commit, envelope, spend } from 'sparkle-protocol/protocol/satproof-bench.suite';
import { txidOf } from 'sparkle-protocol/protocol/transaction';

const POSTAGE_SATS = 10_000n;

/** An inscription that was transferred `hops` times, each time beside a coin that pays the fee, as wallets do it. */
export function chainOfHops(hops: number): { inscriptionId: string; transactions: string[] } {
  const commitment = commit({ envelopes: [envelope()], valueSats: 12_000n, salt: 1 });
  const reveal = spend({ coins: [commitment], outputs: [POSTAGE_SATS], salt: 1 });
  const transactions = [commitment.raw, reveal];
  for (let hop = 1; hop <= hops; hop++) {
    const fee = coin({ output: 5_000n, salt: 100 + hop });
    const last = { raw: transactions.at(-1) ?? '', vout: 0 };
    transactions.push(fee.raw, spend({ coins: [last, fee], outputs: [POSTAGE_SATS, 4_000n], salt: 100 + hop }));
  }
  return { inscriptionId: `${txidOf(reveal)}i0`, transactions };
}
