import { networks, type NetworkName } from '../protocol/network.ts';

/** A block that is known to be in the chain: what a server shows must contain it. `hash` is in display order. */
export type Checkpoint = { height: number; hash: string };

/** The first block of each network: with it every header there is gets checked once, 80 bytes each. */
export const firstBlock = (network: NetworkName): Checkpoint => ({ height: 0, hash: networks[network].genesisHash });

/**
 * The last block of a period of 2016, so that only the headers since then are checked. Whoever does not want to take it
 * from here takes one from a node of their own, or `firstBlock`. Source: chains of Electrum 4.8.4.
 */
export const recentBlock: Readonly<Record<NetworkName, Checkpoint>> = Object.freeze({
  mainnet: { height: 963_647, hash: '00000000000000000000d29ee44c13e924c37abcaa80c537609ce70b1fea1f33' },
  testnet: { height: 5_122_655, hash: '0000000000015232ba4fb9d3098ada414854603f205447bcfb03411f0f061bdd' },
  testnet4: { height: 149_183, hash: '00000000007899e1a91526d0258948b023f565a35fe0b0d2f9c898a39906495b' },
  signet: { height: 316_511, hash: '00000008e8fedfedb4370fd91bd5e9003b72224da9565ddce09149a7d253fc4a' },
  regtest: firstBlock('regtest'),
});
