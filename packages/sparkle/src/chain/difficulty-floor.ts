import { targetOf, type Header } from '../protocol/header.ts';
import { easiestBits } from '../protocol/header-rules.ts';
import type { NetworkName } from '../protocol/network.ts';

/** Mainnet's difficulty has not been below it since autumn 2019. */
const MAINNET_DIFFICULTY = 10n ** 13n;

/**
 * Whether a header claims so much work that lying with it is dear. A header alone does not show which target the rules ask
 * for. On mainnet a difficulty of 10^13 is asked for instead: without it a liar mines blocks of difficulty 1 on a laptop,
 * with it each false block costs about as much as a true one earns. Elsewhere coins are worth nothing, and the limit by
 * consensus will do. Throws `bad_proof` for bits that mean no target.
 */
export function isHardEnough({ bits }: Pick<Header, 'bits'>, network: NetworkName): boolean {
  const easiest = targetOf(easiestBits(network));
  return targetOf(bits) <= (network === 'mainnet' ? easiest / MAINNET_DIFFICULTY : easiest);
}
