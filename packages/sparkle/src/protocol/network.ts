import { NETWORK, TEST_NETWORK } from '@scure/btc-signer/utils.js';
import { SparkleError } from './errors.ts';
import { shown } from './json.ts';

/** The Bitcoin networks this project speaks, by the names Bitcoin Core and Lightning nodes use in prose. */
export type NetworkName = 'mainnet' | 'testnet' | 'testnet4' | 'signet' | 'regtest';

/** Version bytes and prefix of addresses, in the shape @scure/btc-signer asks for. */
export type AddressNetwork = Readonly<typeof NETWORK>;

export type Network = {
  readonly name: NetworkName;
  /** Human-readable part of segwit addresses (BIP 173, BIP 350). */
  readonly addressPrefix: string;
  /** What @scure/btc-signer takes as `network`. */
  readonly address: AddressNetwork;
  /** What follows `ln` in an invoice (BOLT 11). A reader must try the longest prefix first: `bc` starts `bcrt`. */
  readonly invoicePrefix: string;
  /** Hash of block 0, display order. */
  readonly genesisHash: string;
  /** SLIP-44 coin type: 0 where coins are worth something, 1 everywhere else. */
  readonly coinType: 0 | 1;
  /** Blocks between two halvings of the subsidy; regtest halves so often that its coinbases soon differ from everyone else's. */
  readonly halvingBlocks: number;
};

const regtestAddress: AddressNetwork = Object.freeze({ ...TEST_NETWORK, bech32: 'bcrt' });

/** Every fact that differs between networks. Source: chainparams.cpp of Bitcoin Core 29, BOLT 11, SLIP-44. */
export const networks: Readonly<Record<NetworkName, Network>> = Object.freeze({
  mainnet: Object.freeze<Network>({
    name: 'mainnet',
    addressPrefix: 'bc',
    address: NETWORK,
    invoicePrefix: 'bc',
    genesisHash: '000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f',
    coinType: 0,
    halvingBlocks: 210_000,
  }),
  testnet: Object.freeze<Network>({
    name: 'testnet',
    addressPrefix: 'tb',
    address: TEST_NETWORK,
    invoicePrefix: 'tb',
    genesisHash: '000000000933ea01ad0ee984209779baaec3ced90fa3f408719526f8d77f4943',
    coinType: 1,
    halvingBlocks: 210_000,
  }),
  testnet4: Object.freeze<Network>({
    name: 'testnet4',
    addressPrefix: 'tb',
    address: TEST_NETWORK,
    invoicePrefix: 'tb',
    genesisHash: '00000000da84f2bafbbc53dee25a72ae507ff4914b867c565be350b0da8bf043',
    coinType: 1,
    halvingBlocks: 210_000,
  }),
  signet: Object.freeze<Network>({
    name: 'signet',
    addressPrefix: 'tb',
    address: TEST_NETWORK,
    invoicePrefix: 'tbs',
    genesisHash: '00000008819873e925422c1ff0f99f7cc9bbb232af63a077a480a3633bee1ef6',
    coinType: 1,
    halvingBlocks: 210_000,
  }),
  regtest: Object.freeze<Network>({
    name: 'regtest',
    addressPrefix: 'bcrt',
    address: regtestAddress,
    invoicePrefix: 'bcrt',
    genesisHash: '0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206',
    coinType: 1,
    halvingBlocks: 150,
  }),
});

export const networkNames: readonly NetworkName[] = Object.freeze(Object.keys(networks) as NetworkName[]);

/**
 * Reads a network name from text: exactly one of the five, lowercase. There is no default and no alias, because a name
 * that silently became mainnet would send real coins to a test address. Throws `bad_network`.
 */
export function readNetwork(text: unknown): NetworkName {
  const name = networkNames.find((known) => known === text);
  if (name !== undefined) return name;
  const came = shown(text);
  throw new SparkleError('bad_network', `network must be one of ${networkNames.join(', ')}; got ${came}`, { came });
}

/** The network whose block 0 has this hash (display order): what a node says about itself. Throws `bad_network`. */
export function networkOfGenesis(hash: string): NetworkName {
  const name = networkNames.find((known) => networks[known].genesisHash === hash);
  if (name !== undefined) return name;
  const came = shown(hash);
  throw new SparkleError('bad_network', `no known network has the genesis hash ${came}`, { came });
}
